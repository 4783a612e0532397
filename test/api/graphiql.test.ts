import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContext, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

/** Whatever of its kind this machine has; the pages are looked at where there is one. */
const browserPath = (process.env.PATH ?? '')
  .split(delimiter)
  .flatMap(folder => ['chromium', 'chromium-browser', 'google-chrome'].map(name => join(folder, name)))
  .find(path => existsSync(path))

let database: TestDatabase
let gateway: TestGateway
beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator: new FakeGenerator() })
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

test('the page holds a token that works, and comes from this server alone', async () => {
  const page = await (await fetch(`${gateway.url}/graphql`, { headers: { accept: 'text/html' } })).text()
  const { headers } = JSON.parse(/\{"title":"Tributary".*\}/.exec(page)?.[0] ?? '{}') as { headers: string }
  const { authorization } = JSON.parse(headers) as { authorization: string }
  const answer = await fetch(`${gateway.url}/graphql?query={viewer{email}}`, { headers: { authorization } })
  expect(await answer.json()).toEqual({ data: { viewer: { email: 'demo@tributary.example' } } })
  expect(page).not.toMatch(/<(?:script|link|img)[^>]+(?:src|href)="(?:https?:)?\/\//)
})

// Nine megabytes of script a visit, which a busy machine takes its time for.
describe.skipIf(browserPath === undefined)('in a browser', { timeout: 240_000 }, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: browserPath ?? '', args: ['--no-sandbox'] })
    return () => browser.close()
  })

  const newContext = async () => {
    const context = await browser.newContext()
    onTestFinished(() => context.close())
    return context
  }

  const QUERY = '.graphiql-query-editor .view-lines'
  // The headers' editor is beside it, and hidden.
  const VARIABLES = '.graphiql-editor-tool .view-lines >> visible=true'

  interface Visit {
    tabs: string[]
    query: string
    variables: string
  }

  /** Opens the page anew, as a new day does; `act` works on it before it is left. */
  async function visit(
    context: BrowserContext,
    search = '',
    act: (page: Awaited<ReturnType<BrowserContext['newPage']>>) => Promise<void> = async () => {},
  ): Promise<Visit> {
    const page = await context.newPage()
    const failures: Error[] = []
    page.on('pageerror', error => failures.push(error))
    const foreign: string[] = []
    page.on('request', request => {
      if (!/^(?:blob|data):/.test(request.url()) && !request.url().startsWith(gateway.url))
        foreign.push(request.url())
    })
    await page.goto(`${gateway.url}/graphql${search}`)
    await page.locator('.graphiql-query-editor .view-line').first().waitFor()
    await act(page)
    const shown = (editor: string) => page.locator(editor).evaluate(element => element.textContent ?? '')
    const tabs = await page.locator('.graphiql-tab-button').allTextContents()
    const query = await shown(QUERY)
    await page.getByRole('button', { name: 'Variables', exact: true }).click()
    const variables = await shown(VARIABLES)
    // Written with a delay; what is not written yet would not be there at the next visit.
    const stored = () => page.evaluate("localStorage.getItem('graphiql:tabState')") as Promise<string | null>
    await until(async () => (JSON.parse((await stored()) ?? '{}').tabs ?? []).length === tabs.length, {
      what: 'the tabs to be stored',
    })
    await page.close()
    expect([failures, foreign]).toEqual([[], []])
    return { tabs, query: query.replaceAll('\u00a0', ' '), variables }
  }

  test('the second visit goes on with the tab of the first, and opens none beside it', async () => {
    const context = await newContext()
    const first = await visit(context)
    expect(first.tabs).toEqual(['FirstAnalysis'])
    expect(first.query).toContain('requestAnalysis')
    expect(await visit(context)).toEqual(first)
  })

  test('a link shows its own query, once, without the variables of another tab', async () => {
    const context = await newContext()
    const link = `?query=${encodeURIComponent('query Linked { viewer { id } }')}`
    await visit(context, '', async page => {
      await page.getByRole('button', { name: 'Variables', exact: true }).click()
      await page.locator(VARIABLES).click()
      await page.keyboard.type('{"of": "another"')
      const stored = () => page.evaluate("localStorage.getItem('graphiql:tabState')") as Promise<string>
      await until(async () => (await stored()).includes('another'), { what: 'the variables to be stored' })
    })
    expect((await visit(context)).variables).toContain('another')
    const linked = {
      tabs: ['FirstAnalysis', 'Linked'],
      query: 'query Linked { viewer { id } }',
      variables: '',
    }
    expect(await visit(context, link)).toEqual(linked)
    expect(await visit(context, link)).toEqual(linked)
    // And a plain visit goes on with it.
    expect(await visit(context)).toEqual(linked)
  })
})
