import { expect, test } from 'vitest'
import { documentLanguage } from '../../src/domain/collections/document-language.ts'

test.each([
  'Sleep is when the body repairs what training has broken. Go to bed at the same time every day, and keep it dark.',
  'Red lentil soup with carrots',
  'Running shoes for runners',
  'How to sleep better',
  'Stretching hamstrings after a long ride',
  'Ein deutscher Satz ist keines von beiden',
  '42',
  '日本語',
])('%j is read as English', text => {
  expect(documentLanguage(text)).toBe('english')
})

test.each([
  'Il sonno è il momento in cui il corpo ripara ciò che l’allenamento ha rotto. Vai a letto sempre alla stessa ora.',
  'Zuppa di lenticchie rosse con carote',
  'Scarpe da corsa',
  'Come dormire meglio',
  'Pollo alla griglia',
  'Riscaldamento prima della gara',
])('%j is read as Italian', text => {
  expect(documentLanguage(text)).toBe('italian')
})

test('a text is told by its beginning, however long it is', () => {
  const startedAt = performance.now()
  expect(documentLanguage('La corsa è bella e non costa nulla. '.repeat(3000))).toBe('italian')
  expect(performance.now() - startedAt).toBeLessThan(100)
})
