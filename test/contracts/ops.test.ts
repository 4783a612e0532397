import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parser } from '@prometheus-io/lezer-promql'
import { DockerfileParser } from 'dockerfile-ast'
import { validate } from 'dockerfile-utils'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { readConfig } from '../../src/config.ts'
import { collectProcessMetrics, createMetrics, createWorkerMetrics } from '../../src/shared/metrics.ts'

/**
 * What an operator is handed: alerts, a dashboard, an image, a compose project. There is no container engine where these
 * tests run; parsers and the tools of their makers, where they are installed, look at the files instead.
 */
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string) => readFileSync(ROOT + path, 'utf8')

interface Rule {
  alert: string
  expr: string
  labels: { severity: string }
  annotations: { summary: string; runbook: string }
}
const rules: Rule[] = parse(read('ops/prometheus/alerts.yml')).groups.flatMap(
  (group: { rules: Rule[] }) => group.rules,
)
const dashboard = JSON.parse(read('ops/grafana/dashboards/tributary.json'))
const dashboardQueries: string[] = dashboard.panels.flatMap(
  (panel: { targets?: { expr: string }[] }) => panel.targets?.map(({ expr }) => expr) ?? [],
)

/** Every series that a gateway gives, with the labels that it may have. */
function knownSeries(): Map<string, Set<string>> {
  const metrics = createMetrics()
  collectProcessMetrics(metrics)
  metrics.observePool(() => ({ total: 0, idle: 0, waiting: 0 }))
  metrics.observePromptListener(() => true)
  metrics.observeHeldMessages(() => 0, { shared: false })
  createWorkerMetrics(metrics.registry, () => 0)
  const fromScrape = ['job', 'instance']
  const series = new Map([['up', new Set(fromScrape)]])
  for (const metric of metrics.registry.getMetricsAsArray()) {
    const { name, type, labelNames } = metric as unknown as {
      name: string
      type: string
      labelNames: string[]
    }
    const labels = new Set([...labelNames, ...fromScrape])
    if (type !== 'histogram') series.set(name, labels)
    else {
      series.set(`${name}_bucket`, new Set([...labels, 'le']))
      series.set(`${name}_sum`, labels)
      series.set(`${name}_count`, labels)
    }
  }
  return series
}

/** What is wrong with a query: its syntax, or a series or label that no gateway has. */
function objections(query: string, series: Map<string, Set<string>>): string[] {
  const text = query.replaceAll('$__rate_interval', '5m')
  const wrong: string[] = []
  const named: string[] = []
  const labels: string[] = []
  parser.parse(text).iterate({
    enter({ type, from, to }) {
      if (type.isError) wrong.push(`syntax near ${JSON.stringify(text.slice(from, to + 10))}`)
      if (type.name === 'Identifier') named.push(text.slice(from, to))
      if (type.name === 'LabelName') labels.push(text.slice(from, to))
    },
  })
  if (named.length === 0) wrong.push('names no series')
  for (const name of named) if (!series.has(name)) wrong.push(`${name} is no series of a gateway`)
  for (const label of labels)
    if (!named.some(name => series.get(name)?.has(label))) wrong.push(`${label} is no label of ${named}`)
  return wrong
}

const installed = (program: string) => spawnSync(program, ['--version']).error === undefined

describe('alerts and dashboard', () => {
  const series = knownSeries()

  test.each(rules.map(rule => [rule.alert, rule] as const))('%s asks for what a gateway tells', (_, rule) => {
    expect(objections(rule.expr, series)).toEqual([])
  })

  test('every panel asks for what a gateway tells', () => {
    expect(dashboardQueries.length).toBeGreaterThan(30)
    expect(
      dashboardQueries.flatMap(query => objections(query, series).map(why => `${query}: ${why}`)),
    ).toEqual([])
  })

  test('a query for a series or a label that is not there is seen', () => {
    expect(objections('rate(no_such_total[5m])', series)).toEqual(['no_such_total is no series of a gateway'])
    expect(objections('sum by (user) (graphql_requests_total)', series)).toHaveLength(1)
    expect(objections('rate(graphql_requests_total[5m]', series)).not.toEqual([])
  })

  test('each alert says how urgent it is, has its section in the runbook, and a test of when it fires and when not', () => {
    const sections = [...read('docs/runbook.md').matchAll(/^## (\w+)$/gm)].map(([, title]) => title)
    expect(sections).toEqual(rules.map(rule => rule.alert))
    const tests: { name: string }[] = parse(read('ops/prometheus/alerts.test.yml')).tests
    for (const { alert, labels, annotations } of rules) {
      expect(['page', 'warn']).toContain(labels.severity)
      expect(annotations.runbook).toBe(`docs/runbook.md#${alert.toLowerCase()}`)
      expect(tests.map(({ name }) => name)).toEqual(
        expect.arrayContaining([`${alert} fires`, `${alert} stays quiet`]),
      )
    }
  })

  test('promtool finds the rules right, and each fires when it should', ({ skip }) => {
    skip(!installed('promtool'), 'promtool (Debian: prometheus) is not installed')
    const folder = `${ROOT}ops/prometheus`
    for (const args of [
      ['check', 'rules', 'alerts.yml'],
      ['test', 'rules', 'alerts.test.yml'],
    ])
      expect(execFileSync('promtool', args, { cwd: folder, encoding: 'utf8' })).toContain('SUCCESS')
  })
})

describe('the image', () => {
  const dockerfile = DockerfileParser.parse(read('Dockerfile'))

  test('is what a linter accepts', () => {
    expect(validate(read('Dockerfile'))).toEqual([])
  })

  test('is built in stages, of the Node that the project runs on, and runs without rights', () => {
    const froms = dockerfile.getFROMs()
    expect(froms.length).toBeGreaterThan(1)
    const node = JSON.parse(read('package.json')).devDependencies.node.split('.')[0]
    for (const from of froms) expect(from.getImage()).toBe(`node:${node}-bookworm-slim`)
    const last = read('Dockerfile')
      .split(/^FROM /m)
      .at(-1)
    expect(last).toMatch(/^USER node$/m)
    expect(last).not.toContain('npm ')
  })

  test('copies only what is there and what the build context has', () => {
    const ignored = read('.dockerignore').split('\n')
    for (const copy of dockerfile.getCOPYs()) {
      if (copy.getFromFlag()) continue
      const sources = copy.getArguments().slice(0, -1)
      for (const source of sources.map(argument => argument.getValue())) {
        expect(existsSync(ROOT + source), source).toBe(true)
        expect(ignored, source).toContain(`!${source.split('/')[0]}`)
      }
    }
  })
})

describe('the compose project', () => {
  const { services } = parse(read('docker-compose.yml'))

  test('has three gateways behind a proxy, locked down, over one PostgreSQL with pgvector and one Redis', () => {
    const { gateway, postgres, redis, proxy } = services
    expect(gateway.deploy.replicas).toBe(3)
    expect(gateway).toMatchObject({ read_only: true, cap_drop: ['ALL'] })
    expect(gateway.ports).toBeUndefined()
    expect(postgres.image).toMatch(/^pgvector\/pgvector:/)
    expect(redis.image).toMatch(/^redis:/)
    expect(proxy.ports).toEqual(['127.0.0.1:4000:4000'])
  })

  test('gives a drain the time that it may take', () => {
    const { environment, stop_grace_period } = services.gateway
    expect(Number.parseInt(stop_grace_period, 10) * 1000).toBeGreaterThanOrEqual(
      Number(environment.SHUTDOWN_TIMEOUT_MS) + 10_000,
    )
  })

  test('tells the gateways of clients what the proxy sees, and nothing that clients say', () => {
    expect(read('ops/haproxy/haproxy.cfg')).toMatch(/^ {2}option forwardfor$/m)
    const { TRUSTED_PROXIES } = services.gateway.environment
    expect(readConfig({ TRUSTED_PROXIES }, false).trustedProxies).toBe('1')
  })

  test('sets only settings that the gateway reads', () => {
    const example = [...read('ops/gateway.env.example').matchAll(/^(?:# )?([A-Z_]+)=/gm)].map(
      ([, name]) => name,
    )
    const settings = read('src/config.ts')
    for (const name of [...Object.keys(services.gateway.environment), ...example])
      expect(settings, name).toMatch(new RegExp(`^  ${name}: `, 'm'))
  })

  test('mounts files that are there, and opens ports to this machine alone', () => {
    for (const { volumes = [], ports = [] } of Object.values<{ volumes?: string[]; ports?: string[] }>(
      services,
    )) {
      for (const [source = ''] of volumes.map(volume => volume.split(':')))
        if (source.startsWith('./')) expect(existsSync(ROOT + source), source).toBe(true)
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/)
    }
  })

  test('the proxy has a configuration that it accepts', ({ skip }) => {
    skip(!installed('haproxy'), 'haproxy is not installed')
    const checked = spawnSync('haproxy', ['-c', '-f', `${ROOT}ops/haproxy/haproxy.cfg`], { encoding: 'utf8' })
    expect(checked.status, checked.stderr).toBe(0)
  })
})
