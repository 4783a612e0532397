import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Who is measured. `kind`: the gateway, a server of the same API, or the limit, which is no server of an API. */
export interface Contender {
  readonly name: string
  readonly title: string
  readonly kind: 'gateway' | 'peer' | 'limit'
  readonly file: URL
  /** Its data are equal, its query is not: what is asked of it instead, said in the tables. */
  readonly translate?: (query: string) => string
}

const peer = (name: string, title: string, kind: 'peer' | 'limit' = 'peer'): Contender => ({
  name,
  title,
  kind,
  file: new URL(`peers/${name}.ts`, import.meta.url),
})

export const contenders: readonly Contender[] = [
  {
    name: 'tributary',
    title: 'Tributary',
    kind: 'gateway',
    file: new URL('../../src/main.ts', import.meta.url),
  },
  peer('mercurius', 'Mercurius, JIT and loaders'),
  peer('postgraphile', 'PostGraphile 5'),
  peer('apollo', 'Apollo Server 5, DataLoader, Prisma'),
  peer('pothos', "Yoga, Pothos' Prisma plugin"),
  peer('limit', 'node:http, one statement', 'limit'),
]

const FOLDER = fileURLToPath(new URL('peers/', import.meta.url))

/** The packages of the peers, where they are missing or are others than their lock file names; and Prisma's client for them. */
export async function installPeers(): Promise<void> {
  const lock = readFileSync(join(FOLDER, 'package-lock.json'), 'utf8')
  const mark = join(FOLDER, 'node_modules', '.installed-lock.json')
  if (!existsSync(mark) || readFileSync(mark, 'utf8') !== lock) {
    console.log('installing the peers')
    // Their install scripts would fetch what nobody needs here.
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: FOLDER,
      stdio: 'inherit',
    })
    await writeFile(mark, lock)
  }
  const schema = await readFile(new URL('../../prisma/schema.prisma', import.meta.url), 'utf8')
  const generators = `
generator client {
  provider            = "prisma-client"
  output              = "./client"
  runtime             = "nodejs"
  moduleFormat        = "esm"
  importFileExtension = "ts"
}

generator pothos {
  provider     = "prisma-pothos-types"
  clientOutput = "./client/client.ts"
  output       = "./pothos-types.ts"
}
`
  const own = schema.replace(/generator client \{[^}]*\}/, generators)
  const file = join(FOLDER, 'generated', 'schema.prisma')
  if (existsSync(file) && readFileSync(file, 'utf8') === own) return
  await mkdir(join(FOLDER, 'generated'), { recursive: true })
  await writeFile(file, own)
  execFileSync(
    process.execPath,
    ['node_modules/prisma/build/index.js', 'generate', '--no-hints', `--schema=${file}`],
    {
      cwd: FOLDER,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        PATH: `${join(FOLDER, 'node_modules', '.bin')}:${process.env.PATH}`,
        // Generating needs no engine; any file that exists keeps the command from looking for a download.
        PRISMA_SCHEMA_ENGINE_BINARY: file,
        CHECKPOINT_DISABLE: '1',
      },
    },
  )
}

export interface RunningServer extends Contender {
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** A server has to answer within this, on a busy machine too. */
const START_MS = 60_000

/**
 * On the first core alone, unless `cores` names others, set up as in production; what it writes goes into a file of `folder`.
 * @param options.settings beyond those of every server
 */
export async function startServer(
  contender: Contender,
  options: {
    databaseUrl: string
    secret: string
    token: string
    folder: string
    nodeOptions?: string[]
    cores?: string
    settings?: Record<string, string>
  },
): Promise<RunningServer> {
  const logFile = join(options.folder, `${contender.name}-${Date.now()}.log`)
  const log = await open(logFile, 'w')
  const child = spawn(
    'taskset',
    [
      '-c',
      options.cores ?? '0',
      process.execPath,
      ...(options.nodeOptions ?? []),
      fileURLToPath(contender.file),
    ],
    {
      env: {
        PATH: process.env.PATH,
        NODE_ENV: 'production',
        DATABASE_URL: options.databaseUrl,
        JWT_SECRET: options.secret,
        // Of the gateway alone.
        PORT: '0',
        DATA_DIR: options.folder,
        ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
        // Counted, and never reached: all comes from one address.
        RATE_LIMIT_PRINCIPAL: '1000000000',
        RATE_LIMIT_ADDRESS: '1000000000',
        RATE_LIMIT_GENERATIONS: '1000000',
        LOG_LEVEL: 'info',
        ACCOUNT_SYNC_MINUTES: '0',
        ...options.settings,
      },
      stdio: ['ignore', log.fd, log.fd],
    },
  )
  await log.close()
  let exited = false
  const ended = new Promise<void>(resolve =>
    child.once('exit', () => {
      exited = true
      resolve()
    }),
  )
  const deadline = Date.now() + START_MS
  for (;;) {
    const text = await readFile(logFile, 'utf8')
    const url = /http:\/\/[\d.]+:\d+/.exec(text)?.[0]
    if (url && (await answers(url, options.token)))
      return {
        ...contender,
        url,
        pid: child.pid ?? 0,
        async stop() {
          child.kill('SIGTERM')
          const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
          await ended
          clearTimeout(timer)
        },
      }
    if (exited || Date.now() > deadline) {
      child.kill('SIGKILL')
      throw new Error(`${contender.name} did not start: ${text.slice(-2000)}`)
    }
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

async function answers(url: string, token: string): Promise<boolean> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: '{"query":"{ __typename }"}',
  }).catch(() => undefined)
  return response?.ok === true
}
