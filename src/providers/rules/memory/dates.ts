import type { FactDraft } from '../../memory.ts'

const MONTHS =
  '(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|gennaio|febbraio|marzo|aprile|maggio|giugno|luglio|agosto|settembre|ottobre|novembre|dicembre)(?![\\p{L}])'
const DATE = new RegExp(
  [
    '\\d{4}-\\d\\d-\\d\\d',
    '\\d{1,2}[/.]\\d{1,2}[/.]\\d{2,4}',
    `\\d{1,2}(?:st|nd|rd|th|°)?(?: of)? ${MONTHS}(?:,? \\d{4})?`,
    `${MONTHS} \\d{1,2}(?:st|nd|rd|th)?(?:,? \\d{4})?`,
  ].join('|'),
  'iu',
)
const MINE =
  /(?:^|[^\p{L}])(?:i|i['’](?:m|ve|ll)|my|we|our|ho|mio|mia|miei|mie|mi|sono|parto|inizio|abbiamo|nostr[oa])(?![\p{L}])/iu
const EVENT =
  /(?:^|[^\p{L}])(?:my|our|il mio|la mia|il nostro|la nostra) (?<event>[\p{L}][\p{L}' ’-]{1,60}?) (?:is|starts|begins|will be|è|sarà|comincia|inizia)(?![\p{L}])/iu
const BIRTHDAY = /birthday|compleanno|(?:i was|sono) (?:born|nat[oa])/iu

/** Something of the speaker that happens on a day. */
export function dateFact(clause: string): FactDraft | undefined {
  const date = DATE.exec(clause)?.[0]
  if (date === undefined || !MINE.test(clause)) return undefined
  if (BIRTHDAY.test(clause))
    return {
      kind: 'date',
      subject: 'birthday',
      content: `${/compleanno|nat[oa]/iu.test(clause) ? 'Compleanno' : 'Birthday'}: ${date}`,
    }
  const event = EVENT.exec(clause)?.groups?.event?.toLowerCase().trim() ?? null
  return { kind: 'date', subject: event, content: clause }
}
