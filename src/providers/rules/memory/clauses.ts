/** Where a new statement about the speaker begins. */
const STARTERS =
  "i(?:['’](?:m|ve|d|ll))?|my|we|call me|mi|io|sono|il mio|la mia|i miei|le mie|ho|non|preferisco|adoro|amo|odio|detesto|voglio|vorrei|evito|di solito|normalmente|peso|vivo|abito|lavoro|chiamami|punto"
const JOINED = new RegExp(
  `(?:,|;)?\\s+(?:and|but|also|e|ma|però|perciò|so)\\s+(?=(?:${STARTERS})(?![\\p{L}\\p{N}]))|(?:,|;)\\s+(?=(?:${STARTERS})(?![\\p{L}\\p{N}]))`,
  'giu',
)
/** What follows is a question or a reason, and no part of what was said of oneself. */
const TAIL =
  /\s*[,:–—-]?\s+(?:because|since|so that|what|how|which|can you|could you|should i|perché|poiché|cosa|come (?:posso|dovrei|faccio)|quale|quali|puoi|potresti)(?![\p{L}\p{N}]).*$/iu
const SENTENCE_END = /(?<=[.!?…])\s+|\n+/u
/** What is supposed is not said to be so. */
const SUPPOSED =
  /^(?:if|suppose|supposing|imagine|assume|assuming|unless|se|supponi(?:amo)?|immagina|mettiamo)(?![\p{L}])/iu
/** Longer than this it is a story, and no fact. */
const MAX_CHARACTERS = 300
/** Of a message this is enough; what is pasted below it says little of who pasted it. */
const MAX_READ = 20_000

/** Who greets and says "I am" with a capital after it says a name; without the greeting it may be "I am Italian". */
const GREETING_EN =
  /^\s*(?:[Hh]i|[Hh]ello|[Hh]ey|[Gg]ood (?:morning|evening))(?: there)?[\s,!.]+I(?:['’]m| am) (?=\p{Lu})/u
const GREETING_IT = /^\s*(?:[Cc]iao|[Bb]uongiorno|[Bb]uonasera|[Ss]alve)[\s,!.]+[Ss]ono (?=\p{Lu})/u

export interface Clause {
  /** With neither its end mark nor what follows the statement. */
  text: string
  question: boolean
}

/** What a message says, statement by statement. */
export function clausesOf(message: string): Clause[] {
  return message
    .slice(0, MAX_READ)
    .replace(GREETING_EN, 'My name is ')
    .replace(GREETING_IT, 'Mi chiamo ')
    .split(SENTENCE_END)
    .flatMap(sentence => {
      const question = /\?\s*$/.test(sentence)
      const parts = sentence.split(JOINED)
      return parts.map((part, index) => ({
        text: part.replace(TAIL, '').replace(/^[\s,;:–—-]+|[\s.,;:!?…"“”]+$/gu, ''),
        // "I am allergic to nuts, what may I eat?" asks with its end alone.
        question: question && index === parts.length - 1 && !TAIL.test(part),
      }))
    })
    .filter(({ text }) => text.length > 1 && text.length <= MAX_CHARACTERS && !SUPPOSED.test(text))
}
