import DataLoader from 'dataloader'
import type { Batcher } from '../shared/batcher.ts'
import type { Context } from './context.ts'
import type { Reads } from './reads.ts'

/** The reads of one request, each row once: what it has loaded is the same wherever it is looked at. */
export type Loaders = {
  readonly [Name in keyof Reads]: Reads[Name] extends Batcher<infer Key, infer Value>
    ? DataLoader<Key, Value, string>
    : never
}

/** @returns what makes the loaders of a request; a loader that it does not use costs nothing. */
export function loadersOver(reads: Reads): () => Loaders {
  const prototype = Object.create(null)
  for (const [name, batcher] of Object.entries(reads))
    Object.defineProperty(prototype, name, {
      get() {
        const loader = createLoader(batcher as Batcher<unknown, unknown>)
        Object.defineProperty(this, name, { value: loader })
        return loader
      },
    })
  return () => Object.create(prototype)
}

function createLoader<Key, Value>(batcher: Batcher<Key, Value>): DataLoader<Key, Value, string> {
  return new DataLoader(keys => Promise.all(keys.map(key => batcher.load(key))), {
    cacheKeyFn: key => batcher.identify(key),
  })
}

/** After a mutation, and for each event: what has been loaded before may have changed since. */
export function forgetLoaded(context: Context): void {
  context.loaders = context.services.createLoaders()
}
