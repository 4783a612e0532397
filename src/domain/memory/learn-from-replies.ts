import type { Jobs } from '../../coordination/jobs.ts'
import type { Queryable } from '../../database/client.ts'
import { findMessagesByIds } from '../../database/messages.ts'
import type { Transaction } from '../../database/transaction.ts'
import type { RememberExchange } from './remember-exchange.ts'

export const REMEMBER_QUEUE = 'remember-exchange'
/** Exchanges read at once on an instance: each may be a call of a model. */
const CONCURRENCY = 2

interface Exchange {
  userId: string
  messageId: string
  replyId: string
}

/** Part of the transaction that stores a reply. */
export async function learnLater(jobs: Jobs, transaction: Transaction, exchange: Exchange): Promise<void> {
  await jobs.enqueue(transaction, REMEMBER_QUEUE, { ...exchange })
}

/** Learns from exchanges whose replies are stored, after the answer and out of its way; twice is once. */
export async function startLearning(options: {
  db: Queryable
  jobs: Jobs
  rememberExchange: RememberExchange
}): Promise<void> {
  const { db, jobs, rememberExchange } = options
  await jobs.work<Exchange>(
    REMEMBER_QUEUE,
    async ({ userId, messageId, replyId }, { signal, lastTry }) => {
      const messages = await findMessagesByIds(db, [messageId, replyId])
      const [message, reply] = [messageId, replyId].map(id => messages.find(row => row.id === id))
      // The user is gone, and with them what they said.
      if (!message || !reply) return
      const exchange = { userMessage: message.content, aiResponse: reply.content }
      const drafts = await rememberExchange.extract(exchange, { signal, patient: !lastTry })
      if (drafts.length === 0) return
      const stored = await rememberExchange.store(userId, drafts, message.createdAt)
      if (stored.type === 'lock-timeout') throw new Error('the memory is being written by others; later')
    },
    { concurrency: CONCURRENCY },
  )
}
