import { parseArgs } from 'node:util'
import { checks } from './validate/checks.ts'
import { Deployment } from './validate/deployment.ts'

/**
 * `npm run validate -- https://gateway.example.com --token …`: tries a running deployment from outside, as a release check. A line
 * for each check. The token's user must be one of its own, without any data: it is deleted at the end, with what the checks stored.
 * Exit code 0: all passed. 1: something did not. 2: the deployment could not be tried.
 */
const USAGE = 'Usage: npm run validate -- URL --token TOKEN'

class UsageError extends Error {}

try {
  process.exitCode = (await main()) ? 0 : 1
} catch (error) {
  console.error(
    error instanceof UsageError ? error.message : `It could not be tried: ${(error as Error).message}`,
  )
  process.exitCode = 2
}

async function main(): Promise<boolean> {
  const deployment = new Deployment(readArguments())
  const email = await deployment.emailOfEmptyUser()
  let failed = 0
  try {
    for (const [name, check] of Object.entries(checks)) {
      const startedAtMs = performance.now()
      const outcome = await check(deployment).then(
        said => ({ passed: true, said }),
        (error: Error) => ({ passed: false, said: error.message }),
      )
      if (!outcome.passed) failed++
      const ms = Math.round(performance.now() - startedAtMs)
      console.log(`${outcome.passed ? 'ok    ' : 'FAILED'} ${name}: ${outcome.said} (${ms} ms)`)
    }
  } finally {
    await deployment.deleteUser(email)
    console.log('       what was stored for this is deleted')
  }
  return failed === 0
}

function readArguments(): { url: string; token: string } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { token: { type: 'string' } },
    })
    const [url = '', ...more] = positionals
    const { token } = values
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol) || more.length > 0 || !token)
      throw new UsageError(USAGE)
    return { url: new URL(url).origin, token }
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`${(error as Error).message}\n${USAGE}`)
  }
}
