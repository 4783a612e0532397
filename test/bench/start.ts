import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** `npm run bench:start`: how long `npm start` takes the first time and after that, and what an idle gateway weighs. */
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const ROUNDS = 5
const IDLE_MS = 5000

interface Start {
  ms: number
  residentMb: number
  databaseMb: number
}

async function measure(dataDir: string): Promise<Start> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env.PATH, DATA_DIR: dataDir, PORT: '0', LOG_FORMAT: 'json' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const url = await listening(child)
  for (;;) {
    if ((await fetch(`${url}/health/ready`)).ok) break
    await sleep(5)
  }
  const ms = performance.now() - startedAt
  await sleep(IDLE_MS)
  const residentMb = await resident([child.pid ?? 0])
  const databaseMb = await resident(await postgresPids(dataDir))
  const gone = new Promise(resolve => child.once('exit', resolve))
  child.kill('SIGTERM')
  await gone
  return { ms, residentMb, databaseMb }
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let log = ''
    child.stdout?.on('data', chunk => {
      log += chunk
      const [, url] = /listening on (http:\/\/[^"]+)/.exec(log) ?? []
      if (url) resolve(url)
    })
    child.once('exit', code => reject(new Error(`the gateway ended with ${code}:\n${log}`)))
  })
}

/** Proportional set size where the system tells it, so that memory which processes share counts once. */
async function resident(pids: number[]): Promise<number> {
  const sizes = await Promise.all(
    pids.map(async pid =>
      Number(
        /^Pss:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => ''))?.[1] ?? 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0) / 1024
}

async function postgresPids(dataDir: string): Promise<number[]> {
  const postmaster = Number((await readFile(join(dataDir, 'postgres/postmaster.pid'), 'utf8')).split('\n')[0])
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name)).map(Number)
  const parents = await Promise.all(
    pids.map(async pid => ({
      pid,
      parent: Number(
        /^PPid:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''))?.[1],
      ),
    })),
  )
  return [postmaster, ...parents.filter(({ parent }) => parent === postmaster).map(({ pid }) => pid)]
}

const dataDir = await mkdtemp(join(tmpdir(), 'tributary-bench-'))
// As root the database runs under another account, which must get in.
await chmod(dataDir, 0o755)
try {
  const starts: Start[] = []
  for (let round = 0; round <= ROUNDS; round++) starts.push(await measure(dataDir))
  const [first, ...later] = starts
  const row = (start: Start | undefined) =>
    start && {
      'ready after (ms)': Math.round(start.ms),
      'gateway (MB)': Math.round(start.residentMb),
      'its PostgreSQL (MB)': Math.round(start.databaseMb),
    }
  console.table({
    'first start': row(first),
    ...Object.fromEntries(later.map((start, index) => [`start ${index + 2}`, row(start)])),
  })
} finally {
  await rm(dataDir, { recursive: true, force: true })
}
