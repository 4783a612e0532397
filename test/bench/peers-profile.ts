import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Load, Loaded } from './peers-load.ts'
import type { RunningServer } from './peers-servers.ts'

export interface Profile {
  readonly load: string
  readonly connections: number
  readonly perSecond: number
  /** Where the server's time went, largest first, as shares of all of it. */
  readonly shares: readonly (readonly [string, number])[]
  readonly functions: readonly (readonly [string, number])[]
}

interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  samples: number[]
  timeDeltas: number[]
}

/** The gateway once more, under `node --cpu-prof`, which takes some of its speed. */
export async function profile(
  load: Load,
  connections: number,
  folder: string,
  start: (nodeOptions: string[]) => Promise<RunningServer>,
  sendLoad: (url: string) => Promise<Loaded>,
): Promise<Profile> {
  const directory = join(folder, `profile-${load.name}`)
  const begun = performance.now()
  const server = await start(['--cpu-prof', `--cpu-prof-dir=${directory}`])
  // What it did to start is not what is asked for.
  const startUs = (performance.now() - begun) * 1000
  let sent: Loaded
  try {
    sent = await sendLoad(server.url)
  } finally {
    await server.stop()
  }
  const file = (await readdir(directory)).find(name => name.endsWith('.cpuprofile'))
  if (!file) throw new Error('the gateway wrote no profile')
  const { nodes, samples, timeDeltas } = JSON.parse(
    await readFile(join(directory, file), 'utf8'),
  ) as CpuProfile
  const frames = new Map(nodes.map(node => [node.id, node.callFrame]))
  const [byPart, byFunction] = [new Map<string, number>(), new Map<string, number>()]
  let [total, elapsedUs] = [0, 0]
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id)
    const time = timeDeltas[index] ?? 0
    elapsedUs += time
    if (elapsedUs < startUs) continue
    // Idle is before the load and after it.
    if (!frame || time < 0 || frame.functionName === '(idle)') continue
    total += time
    const part = partOf(frame.url, frame.functionName)
    byPart.set(part, (byPart.get(part) ?? 0) + time)
    const name = `${frame.functionName || '(anonymous)'} of ${part}`
    byFunction.set(name, (byFunction.get(name) ?? 0) + time)
  }
  const largest = (map: Map<string, number>, count: number) =>
    [...map]
      .sort(([, one], [, other]) => other - one)
      .slice(0, count)
      .map(([name, time]) => [name, time / total] as const)
  return {
    load: load.name,
    connections,
    perSecond: sent.answered / sent.seconds,
    shares: largest(byPart, 10),
    functions: largest(byFunction, 8),
  }
}

/** A package, a folder of ours, a part of Node, or what V8 does itself. */
function partOf(url: string, functionName: string): string {
  const dependency = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]
  if (dependency) return dependency
  const own = /\/src\/([^/]+)\//.exec(url)?.[1]
  if (own) return `src/${own}`
  if (url.startsWith('node:'))
    return url
      .replace(/^node:internal\//, 'node:')
      .split('/')
      .slice(0, 1)
      .join('/')
  if (functionName.startsWith('(')) return functionName
  return url ? 'compiled queries' : 'built into V8 and Node'
}
