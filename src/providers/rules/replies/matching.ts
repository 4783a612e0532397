/** Words that stand in every sentence and tell nothing of what it is about. */
const STOP_WORDS = new Set(
  `the and for are was were been being with that this these those what which when where who whom why how can could should
  would will shall may might must have has had does did doing you your yours they them their his her its our ours not but
  about into from than then there here some any all more most much many very just only also too please tell know say
  give want like need get got make let me my mine myself one two
  che cosa come quando dove chi quale quali perché quanto quanta quanti quante sono sei siamo essere stato ho hai hanno
  abbiamo avere della delle dello degli dei del dalla dalle dal nella nelle nel sulla sulle sul alla alle allo agli per
  con non più meno molto poco anche solo questo questa questi queste quello quella mio mia miei mie tuo tua suo sua gli
  una uno loro noi voi lui lei posso puoi può devo devi dirmi dimmi sai vorrei voglio fare`.split(/\s+/),
)
const ITALIAN =
  /(?:^|[^\p{L}])(?:che|cosa|sono|come|quando|perché|mi|il|della|non|ho|hai|per|con|quale|quanto|ciao|posso|devo|mio|mia|grazie|qual)(?![\p{L}])/giu
const ENGLISH =
  /(?:^|[^\p{L}])(?:the|what|how|when|why|is|are|my|do|does|can|should|with|for|and|you|i|hello|thanks|which|who)(?![\p{L}])/giu

/** The stems of the words that say what a text is about. Crude: endings of number, gender and tense are cut off. */
export function stemsOf(text: string): Set<string> {
  const words = text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu)
  return new Set(
    (words ?? []).filter(word => !STOP_WORDS.has(word) && (word.length > 2 || /\d/.test(word))).map(stem),
  )
}

function stem(word: string): string {
  if (word.length <= 4 || /\d/.test(word)) return word.replace(/(?<=^.{3})[aeios]$/, '')
  return word.replace(/(?:ings?|ed|es|s|[aeio])$/, '').replace(/[aeio]$/, '')
}

/** How many of the stems are in a text. */
export function countMatches(stems: ReadonlySet<string>, text: string): number {
  let count = 0
  for (const found of stemsOf(text)) if (stems.has(found)) count++
  return count
}

export function isItalian(text: string): boolean {
  return (text.match(ITALIAN)?.length ?? 0) > (text.match(ENGLISH)?.length ?? 0)
}

export function sentencesOf(text: string): string[] {
  return text
    .split(/(?<=[.!?…])\s+|\n+/u)
    .map(sentence => sentence.trim())
    .filter(sentence => sentence !== '')
}
