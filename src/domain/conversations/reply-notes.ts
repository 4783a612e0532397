const NOTES: Record<string, { en: string; it: string }> = {
  memory: {
    en: '(What I know about you could not be read in time, and is left out of this answer.)',
    it: '(Quello che so di te non si è potuto leggere in tempo e manca in questa risposta.)',
  },
  collection: {
    en: '(The documents could not be searched in time, and are left out of this answer.)',
    it: '(I documenti non si sono potuti consultare in tempo e mancano in questa risposta.)',
  },
  history: {
    en: '(What we said before could not be read in time, and is left out of this answer.)',
    it: '(Quello che ci siamo detti prima non si è potuto leggere in tempo e manca in questa risposta.)',
  },
}

/** Few words are enough: a wrong guess costs a sentence in the other language. */
const ITALIAN =
  /(?:^|[^\p{L}])(?:che|cosa|sono|come|quando|perché|mi|il|della|non|ho|hai|per|quale|ciao|posso|devo)(?![\p{L}])/iu

/** What the answer to a message has to say of what it was made without. */
export function notesOn(leftOut: readonly string[], message: string): string[] {
  const language = ITALIAN.test(message) ? 'it' : 'en'
  return leftOut.flatMap(name => NOTES[name]?.[language] ?? [])
}
