import type { GenerationContext } from '../generator.ts'
import type { InterviewPromptDraft, InterviewPromptInput } from '../interview-prompt.ts'

/** What an interviewer can keep in mind. */
const MOST_PASSAGES = 5
const MOST_PASSAGE_CHARACTERS = 600
const MOST_CONTEXT_CHARACTERS = 4000

/** A guide for an interviewer, from the topic, what its owner wrote about it and what the collection says: nothing is made up. */
export async function generateInterviewPrompt(
  { topic, context, passages }: InterviewPromptInput,
  { signal, reportProgress }: GenerationContext,
): Promise<InterviewPromptDraft> {
  signal.throwIfAborted()
  const subject = topic.trim()
  const background = passages.slice(0, MOST_PASSAGES)
  const words = context?.trim()
  const sections = [
    `You lead an interview about: ${subject}.\nFind out how things stand for the person, what they want, what holds them back, and what they will do next. Ask openly, listen, and take up their own words. One question at a time.`,
    words && `What the person wrote about it:\n${quoted(words, MOST_CONTEXT_CHARACTERS)}`,
    background.length > 0 &&
      `Background, for you to build on and not to read out; where it contradicts the person, ask:\n${background
        .map(({ documentId, text }) => `[${documentId}]\n${quoted(text, MOST_PASSAGE_CHARACTERS)}`)
        .join('\n')}`,
    `Open: thank the person for their time and say what the talk is about and how long it takes.`,
    `Ask, in this order:\n${numbered(questionsOn(subject, Boolean(words), background.length > 0))}`,
    'Where an answer stays general, ask for the last time it happened: when, where, who, what then.',
    'Close: sum up in two sentences what you heard, let the person correct you, and agree on one step with a day to it.',
  ]
  reportProgress(1)
  return {
    text: sections.filter(section => typeof section === 'string' && section !== '').join('\n\n'),
    metadata: {
      engine: 'rules',
      template: 'interview.rules.v1',
      passages: background.map(passage => passage.documentId),
    },
  }
}

function questionsOn(subject: string, hasWords: boolean, hasBackground: boolean): string[] {
  return [
    `What comes to mind first when you think of "${subject}"?`,
    hasWords
      ? 'You wrote about it beforehand: what has changed since, and what would you put first today?'
      : 'How does it show in an ordinary week of yours?',
    'When did it last go the way you want it? What was different then?',
    'What have you tried so far, and what came of it?',
    ...(hasBackground
      ? ['There are some notes on this: which of what they say fits you, and which does not?']
      : []),
    'What gets in the way most often?',
    'Suppose it is solved three months from now: how would you notice?',
    'What is the smallest step towards it that you would take this week?',
    'Who or what could help you with that step?',
  ]
}

function numbered(lines: readonly string[]): string {
  return lines.map((line, index) => `${index + 1}. ${line}`).join('\n')
}

/** Set apart as somebody's words, and no longer than can be read. */
function quoted(text: string, maxCharacters: number): string {
  const characters = [...text.trim()]
  const shown = characters.slice(0, maxCharacters).join('')
  return `${shown}${characters.length > maxCharacters ? ' …' : ''}`
    .split('\n')
    .map(line => `> ${line}`)
    .join('\n')
}
