import { setImmediate } from 'node:timers/promises'
import type { KnownFact, Passage, ReplyContext, ReplyDraft, ReplyGenerator, ReplyInput } from '../../reply.ts'
import { extractFacts } from '../memory/extract-facts.ts'
import { countMatches, isItalian, sentencesOf, stemsOf } from './matching.ts'

const MOST_SENTENCES = 4
const MOST_FACTS = 5
/** Of a document; what stands behind it is not read. */
const MOST_TEXT = 20_000
const MOST_SENTENCE = 600

/** Asks for what is known of the asker as a whole. */
const ABOUT_ME =
  /(?:know|remember|learn(?:ed|t)?|told you) (?:about|of) me|about myself|who am i|(?:sai|ricordi|conosci) (?:di|su) me|chi sono/iu

const words = {
  en: {
    known: 'From what you told me:',
    found: 'From the documents:',
    noted: 'Noted:',
    nothing: 'I find nothing about that in what you told me or in the documents I can read.',
  },
  it: {
    known: 'Da quello che mi hai detto:',
    found: 'Dai documenti:',
    noted: 'Preso nota:',
    nothing: 'Non trovo nulla al riguardo in quello che mi hai detto o nei documenti che posso leggere.',
  },
}

/** Answers with what is there, word for word: facts of the user, and sentences of the documents that share the question's words. */
export function createRulesReplies(): ReplyGenerator {
  return {
    async generateReply(input: ReplyInput, context: ReplyContext): Promise<ReplyDraft> {
      const { parts, factIds, documentIds } = replyTo(input)
      let text = ''
      for (const [index, part] of parts.entries()) {
        // Other requests get their turn, and an abort is seen.
        await setImmediate()
        context.signal.throwIfAborted()
        text += `${index === 0 ? '' : ' '}${part}`
        context.reportText(text)
        context.reportProgress((index + 1) / parts.length)
      }
      return { text, factIds, documentIds }
    },
  }
}

function replyTo({ content, facts, passages }: ReplyInput): {
  parts: string[]
  factIds: string[]
  documentIds: string[]
} {
  const said = isItalian(content) ? words.it : words.en
  const stems = stemsOf(content)
  const known = factsFor(content, stems, facts)
  const found = sentencesFor(stems, passages)
  const noted = content.trimEnd().endsWith('?') ? [] : extractFacts(content)
  const parts = [
    ...(noted.length > 0 ? [`${said.noted} ${noted.map(fact => fact.content).join('; ')}.`] : []),
    ...(known.length > 0 ? [`${said.known} ${known.map(fact => fact.content).join('; ')}.`] : []),
    ...(found.length > 0 ? [said.found, ...found.map(({ sentence }) => sentence)] : []),
  ]
  return {
    parts: parts.length > 0 ? parts : [said.nothing],
    factIds: known.map(fact => fact.id),
    documentIds: [...new Set(found.map(({ documentId }) => documentId))],
  }
}

function factsFor(content: string, stems: ReadonlySet<string>, facts: readonly KnownFact[]): KnownFact[] {
  if (ABOUT_ME.test(content)) return facts.slice(-MOST_FACTS * 2)
  return facts
    .map(fact => ({ fact, matches: countMatches(stems, `${fact.kind} ${fact.content}`) }))
    .filter(({ matches }) => matches > 0)
    .sort((one, other) => other.matches - one.matches)
    .slice(0, MOST_FACTS)
    .map(({ fact }) => fact)
}

/** The sentences that share most with the question, in the order of the documents; of the best document at least its first. */
function sentencesFor(
  stems: ReadonlySet<string>,
  passages: readonly Passage[],
): { documentId: string; sentence: string }[] {
  const all = passages.flatMap(({ documentId, text }, document) =>
    sentencesOf(text.slice(0, MOST_TEXT)).map((sentence, place) => ({
      documentId,
      document,
      place,
      sentence: sentence.slice(0, MOST_SENTENCE),
      matches: countMatches(stems, sentence),
    })),
  )
  const best = all
    .filter(({ matches }) => matches > 0)
    .sort((a, b) => b.matches - a.matches || a.document - b.document || a.place - b.place)
    .slice(0, MOST_SENTENCES)
  return (best.length > 0 ? best : all.slice(0, 1)).sort(
    (a, b) => a.document - b.document || a.place - b.place,
  )
}
