/**
 * A gateway reduced to its database, for tests that kill one: starts the embedded PostgreSQL with the options that its
 * argument holds as JSON, prints what came of it as a line of JSON, and stops it when its input ends.
 */
import { type EmbeddedPostgresOptions, startEmbeddedPostgres } from '../../src/database/embedded-postgres.ts'

const options = JSON.parse(process.argv[2] ?? '{}') as Omit<EmbeddedPostgresOptions, 'log'>
const startedAt = performance.now()
const postgres = await startEmbeddedPostgres({ ...options, log: line => process.stderr.write(`${line}\n`) })
const tookMs = Math.round(performance.now() - startedAt)
process.stdout.write(`${JSON.stringify({ url: postgres.url, origin: postgres.origin, tookMs })}\n`)
process.stdin.resume()
process.stdin.once('end', () => postgres.stop().then(() => process.exit()))
