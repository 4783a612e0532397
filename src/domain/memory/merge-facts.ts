import { createHash, randomUUID } from 'node:crypto'
import type { MemoryFactRow } from '../../database/memory-facts.ts'
import type { FactDraft } from '../../providers/memory.ts'

export interface NewFact {
  id: string
  kind: string
  slot: string | null
  content: string
  hash: string
}

export interface Merge {
  insert: NewFact[]
  /** Current ones that the new ones replace. */
  supersede: { id: string; by: string }[]
  /** Current ones that are said again. */
  confirm: string[]
  /** Of each draft that counts, the id of the fact that says it, new or known. */
  ids: string[]
}

/** What is said in the same words, whatever their case, accents' encoding and punctuation, is the same fact. */
export function hashOf(kind: string, content: string): string {
  return createHash('sha256')
    .update(`${kind}\n${normalised(content)}`)
    .digest('hex')
}

/**
 * What becomes of a user's current facts when these are learnt, in their order. Pure.
 * @param saidAt when they were said, null for now: what was said since then is not replaced by them.
 */
export function mergeFacts(
  current: readonly MemoryFactRow[],
  drafts: readonly FactDraft[],
  saidAt: Date | null,
): Merge {
  const byHash = new Map<string, { id: string; slot: string | null }>()
  const bySlot = new Map<string, string>()
  const outdating = new Set<string>()
  for (const { id, hash, slot, saidAt: at } of current) {
    if (saidAt && at > saidAt) outdating.add(id)
    byHash.set(hash, { id, slot })
    if (slot !== null) bySlot.set(slot, id)
  }
  const insert = new Map<string, NewFact>()
  const supersede: Merge['supersede'] = []
  const ids: string[] = []
  const confirm: string[] = []
  for (const { kind, subject, content } of drafts) {
    const hash = hashOf(kind, content)
    const known = byHash.get(hash)
    if (known) {
      ids.push(known.id)
      if (!insert.has(known.id)) confirm.push(known.id)
      continue
    }
    const slot = subject === null ? null : `${kind}:${normalised(subject)}`
    const fact = { id: randomUUID(), kind, slot, content, hash }
    const older = slot === null ? undefined : bySlot.get(slot)
    if (older !== undefined && outdating.has(older)) continue
    if (older !== undefined) {
      const unsaid = insert.get(older)
      for (const [olderHash, { id }] of byHash) if (id === older) byHash.delete(olderHash)
      if (unsaid) {
        // Said and corrected in one breath: what was meant is stored, and what it replaced is replaced by it.
        insert.delete(older)
        ids.splice(ids.indexOf(older), 1)
        for (const replaced of supersede) if (replaced.by === older) replaced.by = fact.id
      } else supersede.push({ id: older, by: fact.id })
    }
    insert.set(fact.id, fact)
    byHash.set(hash, fact)
    if (slot !== null) bySlot.set(slot, fact.id)
    ids.push(fact.id)
  }
  return { insert: [...insert.values()], supersede, confirm, ids: [...new Set(ids)] }
}

function normalised(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
}
