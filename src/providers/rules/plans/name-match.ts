/**
 * How what a user typed is compared with the catalogue's names: without case, accents, plurals and words that name no
 * food, and with the other names of the same thing brought together.
 */

/** Lower case, without accents, hyphens and underscores, one space between words. */
export function foldName(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/['’]s?(?!\p{L})/gu, '')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
}

/** Several things in one entry, as in "onions and garlic", are several phrases. */
export function phrasesOf(text: string): string[] {
  return text
    .split(/[,;/&+]|\s(?:and|or)\s/i)
    .map(part => part.trim())
    .filter(part => significantWords(part).length > 0)
}

/** Singular, without words that say nothing about what is eaten. */
export function significantWords(text: string): string[] {
  let folded = foldName(text)
  for (const [other, ours] of sameThings) folded = ` ${folded} `.replaceAll(` ${other} `, ` ${ours} `).trim()
  return folded
    .split(' ')
    .map(singular)
    .filter(word => word !== '' && !fillers.has(word))
}

/** Tells what a phrase names by the words that something goes by. */
export type NameMatcher = (words: ReadonlySet<string>) => boolean

/**
 * A phrase names what has these words: each of its own is one of them, or from four letters on a part of one ("berry" in
 * "blueberry"), or all of it written as one word ("sweet corn") is. Rather too often than too seldom: what is left out
 * wrongly is not missed, what is served wrongly may harm.
 */
export function createNameMatcher(phrase: string): NameMatcher {
  const wanted = significantWords(phrase)
  const joined = wanted.join('')
  return words => {
    const has = (part: string) =>
      words.has(part) || (part.length >= shortestPart && [...words].some(word => word.includes(part)))
    return wanted.length > 0 && (wanted.every(has) || words.has(joined))
  }
}

/** Below it a part says little: "cod" is in "avocado", "pea" in "peanut", "ham" in "champignon". */
const shortestPart = 4

/** A short word that ends in s may be none in the plural: gas, bus. */
const shortestPlural = 4

/** Of one folded word. */
export function singular(word: string): string {
  if (word.length < shortestPlural || /(?:ss|us|is)$/.test(word)) return word
  if (/[^aeiou]ies$/.test(word)) return `${word.slice(0, -3)}y`
  if (/(?:oes|ches|shes|xes)$/.test(word)) return word.slice(0, -2)
  if (word === 'leaves') return 'leaf'
  return word.endsWith('s') ? word.slice(0, -1) : word
}

const fillers = new Set([
  ...[
    'a',
    'an',
    'the',
    'of',
    'any',
    'all',
    'no',
    'not',
    'without',
    'with',
    'free',
    'food',
    'product',
    'type',
  ],
  ...[
    'fresh',
    'raw',
    'cooked',
    'dried',
    'frozen',
    'tinned',
    'canned',
    'organic',
    'ground',
    'chopped',
    'whole',
  ],
  ...[
    'plain',
    'fillet',
    'leaf',
    'slice',
    'piece',
    'minced',
    'steamed',
    'boiled',
    'fried',
    'grilled',
    'roasted',
  ],
])

/** Folded, ours last; a plural only where the singular would not be found by itself. */
const sameThings = [
  ['sea food', 'seafood'],
  ['eggplants', 'aubergine'],
  ['eggplant', 'aubergine'],
  ['zucchinis', 'courgette'],
  ['zucchini', 'courgette'],
  ['cilantro', 'coriander'],
  ['arugula', 'rocket'],
  ['garbanzo beans', 'chickpea'],
  ['garbanzos', 'chickpea'],
  ['chick peas', 'chickpea'],
  ['shrimps', 'prawn'],
  ['shrimp', 'prawn'],
  ['scallions', 'spring onion'],
  ['scallion', 'spring onion'],
  ['green onions', 'spring onion'],
  ['capsicums', 'bell pepper'],
  ['capsicum', 'bell pepper'],
  ['peppers', 'bell pepper'],
  ['beets', 'beetroot'],
  ['beet', 'beetroot'],
  ['bok choy', 'pak choi'],
  ['pak choy', 'pak choi'],
  ['yoghurt', 'yogurt'],
  ['yoghurts', 'yogurt'],
  ['chili', 'chilli'],
  ['chilies', 'chilli'],
  ['chillies', 'chilli'],
  ['chile', 'chilli'],
  ['maize', 'sweetcorn'],
  ['porridge oats', 'oat'],
  ['minced beef', 'beef'],
  ['lima beans', 'butter bean'],
  ['white beans', 'cannellini'],
  ['soya', 'soy'],
  ['soybeans', 'soy'],
  ['egg plant', 'aubergine'],
] as const
