// Draws that are a function of what they are about: the same pair always has the same, whoever looks first.

/** MurmurHash3's finalizer over up to three integers. In [0, 1). */
export function drawOf(salt: number, a: number, b = 0, c = 0): number {
  let hash = Math.imul(salt ^ 0x9e3779b9, 0x85ebca6b)
  hash = mixed(hash ^ Math.imul(a | 0, 0xcc9e2d51))
  hash = mixed(hash ^ Math.imul(b | 0, 0x1b873593))
  hash = mixed(hash ^ Math.imul(c | 0, 0x9e3779b1))
  return (hash >>> 0) / 2 ** 32
}

function mixed(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
