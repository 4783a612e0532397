import { type Aggregator, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** From a cache hit's fraction of a millisecond to a slow generation's two minutes. */
const SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

/** What Node tells of its own process: memory, event loop, garbage collection. Once for a process. */
export function collectProcessMetrics(metrics: Metrics): void {
  collectDefaultMetrics({ register: metrics.registry })
  // Of several workers, whose users wait longest; the library would tell a mean, in which one that is stuck cannot be seen.
  for (const name of LAGS) {
    const lag = metrics.registry.getSingleMetric(name) as { aggregator?: Aggregator } | undefined
    if (lag) lag.aggregator = 'max'
  }
}
const LAGS = ['', '_p50', '_p90', '_p99'].map(which => `nodejs_eventloop_lag${which}_seconds`)

/** Those of the primary of several workers. @param running counts the ones that are ready, whenever it is asked for */
export function createWorkerMetrics(registry: Registry, running: () => number) {
  const registers = [registry]
  new Gauge({
    name: 'workers_running',
    help: 'Processes of this instance that serve',
    registers,
    collect() {
      this.set(running())
    },
  })
  return {
    replaced: new Counter({
      name: 'workers_replaced_total',
      help: 'Workers that had served and ended, and were replaced',
      labelNames: ['cause'] as const,
      registers,
    }),
  }
}

/** The metrics of the contract that what is built so far can feed. One set for each gateway, never for the process. */
export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Counter<Label>({ name, help, labelNames: [...labelNames], registers })
  /** @param aggregator what the figures of several workers are together */
  const gauge = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
    aggregator: Aggregator = 'sum',
  ) => new Gauge<Label>({ name, help, labelNames: [...labelNames], registers, aggregator })
  const histogram = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
    buckets = SECONDS,
  ) => new Histogram<Label>({ name, help, labelNames: [...labelNames], buckets, registers })
  const loaderBatchSize = histogram(
    'loader_batch_size',
    'Keys in a batch of a loader',
    ['loader'],
    [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000],
  )
  const loaderQueries = counter('loader_queries_total', 'Statements sent by a loader', ['loader'])
  return {
    registry,
    coordinationRequests: counter(
      'coordination_requests_total',
      'Requests for a generation, by how they were answered',
      ['kind', 'source'],
    ),
    coordinationWait: histogram('coordination_wait_seconds', 'How long a request waited for its generation', [
      'kind',
    ]),
    coordinationTakeovers: counter(
      'coordination_takeovers_total',
      'Runs taken over from an owner that was gone or did not renew',
      ['kind', 'cause'],
    ),
    coordinationFenced: counter(
      'coordination_fenced_total',
      'Commits refused because the lease had passed on',
      ['kind'],
    ),
    coordinationResumed: counter(
      'coordination_resumed_total',
      'Abandoned runs that this instance finished although nobody here waited for them, by how they ended',
      ['kind', 'outcome'],
    ),
    coordinationGivenUp: counter(
      'coordination_given_up_total',
      'Runs ended as failed because they had lost too many owners, or could not be continued',
      ['kind', 'cause'],
    ),
    runsInFlight: gauge('coordination_runs_in_flight', 'Runs that this instance owns', ['kind']),
    providerCalls: counter('provider_calls_total', 'Calls of the generator', ['kind', 'outcome']),
    providerSeconds: histogram('provider_call_seconds', 'Duration of a call of the generator', ['kind']),
    providerTokens: counter('provider_tokens_total', 'Tokens that the provider counted', [
      'kind',
      'direction',
    ]),
    providerRepairs: counter('provider_repairs_total', 'Answers that had to be corrected by another call', [
      'kind',
    ]),
    // One that holds calls back is what is to be seen.
    providerBreaker: gauge(
      'provider_breaker_open',
      '1 while calls of a kind are held back after failures',
      ['kind'],
      'max',
    ),
    transactions: counter('database_transactions_total', 'Transactions, by outcome', ['name', 'outcome']),
    transactionSeconds: histogram(
      'database_transaction_seconds',
      'Duration of a transaction, retries included',
      ['name'],
    ),
    /** Registers `database_pool_connections`, read from the pool whenever it is asked for. */
    observePool(read: () => { total: number; idle: number; waiting: number }) {
      new Gauge({
        name: 'database_pool_connections',
        help: 'Connections of the pool in use and idle, and callers waiting for one',
        labelNames: ['state'],
        registers,
        collect() {
          const { total, idle, waiting } = read()
          this.set({ state: 'active' }, total - idle)
          this.set({ state: 'idle' }, idle)
          this.set({ state: 'waiting' }, waiting)
        },
      })
    },
    trackingUpdates: counter('tracking_updates_total', 'Writes of archetype tracking', ['outcome']),
    ragSuccess: counter(
      'rag_atomic_operation_success_total',
      'Prompts and failures stored together with the status of their interview',
    ),
    ragFailure: counter(
      'rag_atomic_operation_failure_total',
      'Prompts that could not be stored; their interviews were failed',
    ),
    ragRollback: counter('rag_rollback_total', 'Transactions of prompts that were rolled back'),
    ragOrphaned: counter(
      'rag_orphaned_prompt_total',
      'Prompts found without a READY interview, and interviews without the prompt they should have',
    ),
    ragDuration: histogram(
      'rag_atomic_operation_duration_seconds',
      'Duration of storing prompts with the status of their interviews',
    ),
    /** Registers `prompt_listener_up`, asked for at each scrape: a listener that hangs cannot say so itself. */
    observePromptListener(isUp: () => boolean) {
      new Gauge({
        name: 'prompt_listener_up',
        help: '1 while the prompt listener reads the stream',
        registers,
        // Of several workers, one that does not read is what is to be seen.
        aggregator: 'min',
        collect() {
          this.set(isUp() ? 1 : 0)
        },
      })
    },
    promptMessages: counter(
      'prompt_messages_total',
      'Messages of the prompt stream, by what became of them',
      ['outcome'],
    ),
    interviewsStuck: gauge(
      'interviews_stuck',
      'Interviews that are ENHANCING for longer than their deadline',
      [],
      // Each worker counts those of the database.
      'max',
    ),
    memoryLockTimeouts: counter('memory_lock_timeout_total', "Waits for a user's memory that timed out"),
    memoryLockContention: histogram(
      'memory_lock_contention_seconds',
      "How long writers waited for a user's memory",
      ['operation'],
    ),
    collectionLockTimeouts: counter(
      'collection_lock_timeout_total',
      'Waits for a collection that timed out',
      ['collection_name'],
    ),
    cacheConsistencyErrors: counter(
      'cache_db_consistency_errors_total',
      'Writes of the conversation cache that failed, and cached conversations that were not what they said',
    ),
    /**
     * Registers `conversation_messages_held`, counted whenever it is asked for. @param shared each worker counts what all have put
     * onto the stream; else each what it holds alone
     */
    observeHeldMessages(count: () => number, { shared }: { shared: boolean }) {
      new Gauge({
        name: 'conversation_messages_held',
        help: 'Messages that were accepted while the database was away and are not saved yet',
        registers,
        aggregator: shared ? 'max' : 'sum',
        collect() {
          this.set(count())
        },
      })
    },
    accountSyncs: counter('account_syncs_total', 'Syncs of connected accounts, by what came of them', [
      'provider',
      'outcome',
    ]),
    factsPromoted: counter('facts_promoted_total', 'Facts promoted by contributions on this instance'),
    documentsEmbedded: counter(
      'documents_embedded_total',
      'Documents of collections that got a vector, kept that of the same text, or have none because the model takes no such text',
      ['outcome'],
    ),
    maintenanceCleared: counter('maintenance_cleared_total', 'Rows deleted because they had ended', [
      'table',
    ]),
    consistencyFindings: gauge(
      'consistency_findings',
      'What the last monthly check of the stored data found wrong, on the instance that made it',
      ['check'],
      // Of the database, by whichever worker made it.
      'max',
    ),
    graphqlRequests: counter('graphql_requests_total', 'GraphQL operations', ['operation', 'outcome']),
    graphqlRefused: counter('graphql_refused_total', 'Operations that were answered without being executed', [
      'code',
    ]),
    graphqlShared: counter(
      'graphql_shared_total',
      'Queries that were answered by the execution of one that the same principal had sent just before',
      ['operation'],
    ),
    rateLimited: counter('rate_limited_total', 'Operations refused because too much was asked for', [
      'scope',
    ]),
    graphqlSeconds: histogram('graphql_request_seconds', 'Duration of a GraphQL operation', ['operation']),
    subscriptionsActive: gauge('graphql_subscriptions_active', 'Open subscriptions'),
    loaderBatchSize,
    loaderQueries,
    /** @returns what counts the batches of a loader. */
    observeBatches(loader: string) {
      const [sizes, queries] = [loaderBatchSize.labels({ loader }), loaderQueries.labels({ loader })]
      return (keys: number) => {
        sizes.observe(keys)
        queries.inc()
      }
    },
  }
}
export type Metrics = ReturnType<typeof createMetrics>
