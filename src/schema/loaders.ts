import DataLoader from 'dataloader'
import type { Batcher } from '../shared/batcher.ts'
import type { Tracing } from '../shared/tracing.ts'
import type { Context } from './context.ts'
import type { Reads } from './reads.ts'

/** The reads of one request, each row once: what it has loaded is the same wherever it is looked at. */
export type Loaders = {
  readonly [Name in keyof Reads]: Reads[Name] extends Batcher<infer Key, infer Value>
    ? DataLoader<Key, Value, string>
    : never
}

/** @returns what makes the loaders of a request; a loader that it does not use costs nothing. */
export function loadersOver(reads: Reads, tracing?: Tracing): () => Loaders {
  const prototype = Object.create(null)
  for (const [name, batcher] of Object.entries(reads))
    Object.defineProperty(prototype, name, {
      get() {
        const loader = createLoader(name, batcher as Batcher<unknown, unknown>, tracing)
        Object.defineProperty(this, name, { value: loader })
        return loader
      },
    })
  return () => Object.create(prototype)
}

function createLoader<Key, Value>(
  name: string,
  batcher: Batcher<Key, Value>,
  tracing: Tracing | undefined,
): DataLoader<Key, Value, string> {
  const load = (keys: readonly Key[]) => batcher.loadMany(keys)
  return new DataLoader(
    tracing
      ? keys => tracing.span(`load ${name}`, { attributes: { 'loader.keys': keys.length } }, () => load(keys))
      : load,
    { cacheKeyFn: key => batcher.identify(key) },
  )
}

/** After a mutation, and for each event: what has been loaded before may have changed since. */
export function forgetLoaded(context: Context): void {
  context.loaders = context.services.createLoaders()
}
