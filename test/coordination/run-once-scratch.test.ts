import { test } from 'vitest'
import { InOrder, SimulatedCluster, type SimulatedEvent } from '../support/simulated-cluster.ts'
import { judge } from '../support/simulated-verdict.ts'
test('joined not yet', async () => {
  const cluster = new SimulatedCluster({ steps: new InOrder(), hosts: [{ offsetMs: 0, rate: 1 }, { offsetMs: 0, rate: 1 }], behaviors: [{ durationMs: 0, end: 'answers', obeysSignal: true, reports: 0 }] })
  const e = (event: SimulatedEvent, afterMs = 0) => ({ afterMs, event })
  await cluster.play([
    e({ do: 'disturb', instance: 1, statement: 'acquire', times: 1, fault: { type: 'statement is late', ms: 20 } }),
    e({ do: 'disturb', instance: 1, statement: 'find-again', times: 1, fault: { type: 'answer is late', ms: 100 } }),
    e({ do: 'ask', instance: 1, key: 'k', forced: false, waitMs: null }),
    e({ do: 'ask', instance: 0, key: 'k', forced: false, waitMs: null }),
    e({ do: 'add data', key: 'k' }, 50),
    e({ do: 'ask', instance: 1, key: 'k', forced: true, waitMs: null }),
  ])
  console.log(cluster.trace.join('\n'))
  await judge(cluster)
})
