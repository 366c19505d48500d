// Lets all answers of one context ask for their next token together, and gives whatever needs the context alone its turn.

/*
 * node-llama-cpp evaluates batch after batch under one lock for as long as anything is asked for. With two answers under way
 * something always is: the one that was sampled first asks again before the other is. So a newcomer that must change the
 * context first would wait until no two others are left, and answers that once fell out of step would share no batch again.
 */

export class Turnstile {
  #inside = 0
  #opening: PromiseWithResolvers<void> | undefined

  /** Resolves when more may be asked for. */
  async pass(): Promise<void> {
    while (this.#opening) await this.#opening.promise
  }

  /** Work in step with all who come at the same moment; whoever comes later waits until the last of them is done. */
  async join<T>(work: () => Promise<T>): Promise<T> {
    await this.pass()
    setImmediate(() => {
      if (this.#inside > 0) this.#close()
    })
    return this.#during(work)
  }

  /** Work that waits for the library's lock: nobody asks for anything more until it is done. */
  hold<T>(work: () => Promise<T>): Promise<T> {
    this.#close()
    return this.#during(work)
  }

  async #during<T>(work: () => Promise<T>): Promise<T> {
    this.#inside += 1
    try {
      return await work()
    } finally {
      this.#inside -= 1
      // a turn later the library has seen that nothing is asked for, and let go of its lock
      if (this.#inside === 0) setImmediate(() => this.#open())
    }
  }

  #close(): void {
    this.#opening ??= Promise.withResolvers()
  }

  #open(): void {
    if (this.#inside > 0) return
    this.#opening?.resolve()
    this.#opening = undefined
  }
}
