import { expect, test } from 'vitest'
import { factHash, normaliseFact } from '../../src/domain/facts/normalise-fact.ts'

const hashOf = (text: string) => factHash(normaliseFact(text))

test.each([
  ['case', 'Sleep BEATS caffeine', 'sleep beats Caffeine'],
  ['white space', '\t sleep\u00a0beats \r\n caffeine\u3000', 'sleep beats caffeine'],
  ['width', 'ｓｌｅｅｐ ｂｅａｔｓ', 'sleep beats'],
  ['ligatures and composed characters', 'eﬃcient cafe\u0301', 'efficient caf\u00e9'],
  ['ß and SS', 'Straße', 'STRASSE'],
  ['ß and its capital', 'STRAẞE straße', 'straße STRAẞE'],
  ['the capital of ß and SS', 'STRAẞE', 'Strasse'],
  ['a capital İ and an i with its dot', 'İyi uyku', 'i\u0307yi uyku'],
  ['long s, Kelvin and Ångström signs', 'ſleep at 20 \u212a and 1 \u212b', 'sleep at 20 k and 1 å'],
  ['digits in circles and fractions', '② cups, ½ full', '2 cups, 1⁄2 full'],
  ['half-width katakana', 'ｶﾞｲﾄﾞ', 'ガイド'],
  ['vowels with an iota', 'ᾠδή', 'ὨΙΔΉ'],
  ['a letter that upper case takes apart', '\u0390', '\u03aa\u0301'],
  ['a sigma at the end of a word', 'ΣΟΦΟΣ', 'σοφος'],
])('%s makes no other fact', (_what, one, other) => {
  expect(hashOf(one)).toBe(hashOf(other))
})

test.each([
  ['accents', 'cafe', 'café'],
  ['signs', 'sleep beats caffeine', 'sleep beats caffeine!'],
  ['the order of words', 'sleep beats caffeine', 'caffeine beats sleep'],
  ['where white space is', 'sleepless', 'sleep less'],
  ['letters that only Turkish tells apart', 'ılık', 'ilik'],
])('%s make another fact', (_what, one, other) => {
  expect(hashOf(one)).not.toBe(hashOf(other))
})

test('what is shown keeps its case', () => {
  expect(normaliseFact('  Ｓｌｅｅｐ  BEATS\ncaffeine ')).toBe('Sleep BEATS caffeine')
})
