// Which models a server of OpenAI's API has, and which of them are to be served.

import { MeshError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import { count, property, type Upstream } from './openai-upstream.ts'

export interface Listed {
  /** The server's own name of it. */
  readonly id: string
  /** Where the server tells it. */
  readonly contextTokens: number | undefined
}

export interface Choice {
  readonly models?: readonly string[] | undefined
  readonly name?: string | undefined
}

/** Throws `MeshError`, also where there is none. */
export async function listModels(upstream: Upstream, signal: AbortSignal): Promise<readonly Listed[]> {
  const data = property(await upstream.json('/v1/models', undefined, signal), 'data')
  const listed = (Array.isArray(data) ? data : []).flatMap((each: unknown): Listed[] => {
    const id = property(each, 'id')
    // vLLM and SGLang tell the context here
    return typeof id === 'string' ? [{ id, contextTokens: count(property(each, 'max_model_len')) }] : []
  })
  if (listed.length === 0) throw new MeshError('engine-failed', `${upstream.root}/v1/models lists no model`)
  return listed
}

/** All of the server's, or those chosen. Throws `RangeError` for a choice that it does not have or that cannot be served. */
export function chosenOf(
  { root }: Pick<Upstream, 'root'>,
  listed: readonly Listed[],
  { models, name }: Choice,
): readonly Listed[] {
  const names = listed.map(({ id }) => id).join(', ')
  const missing = models?.find((model) => !listed.some(({ id }) => id === model))
  if (missing !== undefined) {
    throw new RangeError(`model "${missing}" is not served by ${root}, which has ${names}`)
  }
  const chosen = models ? listed.filter(({ id }) => models.includes(id)) : listed
  if (name !== undefined && chosen.length > 1) {
    throw new RangeError(`name "${name}" for ${chosen.length} models of ${root} (${names}); choose one`)
  }
  if (chosen.length > limits.offersMax) {
    throw new RangeError(
      `${chosen.length} models of ${root}, at most ${limits.offersMax} are served; choose among them`,
    )
  }
  const long = chosen.find(({ id }) => (name ?? id).length > limits.modelNameCharsMax)
  if (long) throw new RangeError(`model name "${long.id}" is over ${limits.modelNameCharsMax} characters; give a name`)
  return chosen
}
