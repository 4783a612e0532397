import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { createLogger } from '../../src/shared/logger.ts'

test('an error is logged without the connection that its driver hangs on it', () => {
  let logged = ''
  const destination = new Writable({
    write(chunk, _encoding, done) {
      logged += chunk
      done()
    },
  })
  const error = Object.assign(new Error('it was lost'), {
    code: '57P01',
    client: { query: 'SELECT a secret', parent: {} },
  })
  createLogger({ level: 'info', format: 'json', destination }).warn({ err: error }, 'a connection was lost')
  expect(JSON.parse(logged)).toMatchObject({ err: { message: 'it was lost', code: '57P01' } })
  expect(logged).not.toContain('secret')
})
