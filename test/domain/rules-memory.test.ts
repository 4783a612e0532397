import { describe, expect, test } from 'vitest'
import { hashOf, mergeFacts } from '../../src/domain/memory/merge-facts.ts'
import { summariseFacts } from '../../src/domain/memory/summarise-facts.ts'
import type { FactDraft } from '../../src/providers/memory.ts'
import { extractFacts } from '../../src/providers/rules/memory/extract-facts.ts'

const contentsOf = (message: string) =>
  extractFacts(message).map(({ kind, content }) => `${kind}: ${content}`)

describe('the rules engine reads', () => {
  test.each<[message: string, facts: string[]]>([
    [
      'My name is Anna Maria and I prefer evening workouts.',
      ['name: Name: Anna Maria', 'preference: Prefers evening workouts'],
    ],
    ["Hi, I'm Marco! How are you?", ['name: Name: Marco']],
    ['Call me Sam', ['name: Name: Sam']],
    ["I'm allergic to peanuts, what should I eat?", ['constraint: Allergic to peanuts']],
    [
      "I don't eat pork. I love pizza, but I hate olives.",
      ['constraint: Cannot or does not eat pork', 'preference: Likes pizza', 'preference: Dislikes olives'],
    ],
    ['I’m vegan and I have a bad knee.', ['constraint: Diet: vegan', 'constraint: Has a bad knee']],
    ['My daily calorie goal is 1800 kcal.', ['goal: Calories a day: 1800 kcal']],
    ['I want to run a marathon.', ['goal: Goal: run a marathon']],
    ['My marathon is on 12 October 2026.', ['date: My marathon is on 12 October 2026']],
    ['My birthday is May 3rd.', ['date: Birthday: May 3rd']],
    [
      'I am 35 years old, I weigh 80.5 kg and I live in Rome.',
      ['about: Age: 35', 'about: Weight: 80.5 kg', 'about: Lives in: Rome'],
    ],
    ['Mi chiamo Giulia e sono vegetariana.', ['name: Nome: Giulia', 'constraint: Dieta: vegetariana']],
    [
      'Ciao, sono Luca. Preferisco allenarmi la mattina, ma non mi piacciono i funghi.',
      [
        'name: Nome: Luca',
        'preference: Preferisce allenarmi la mattina',
        'preference: Non gradisce i funghi',
      ],
    ],
    [
      'Il mio obiettivo è perdere 5 kg. Il mio compleanno è il 3 maggio.',
      ['goal: Obiettivo: perdere 5 kg', 'date: Compleanno: 3 maggio'],
    ],
    [
      'Sono allergico alle arachidi e non posso mangiare glutine.',
      ['constraint: Allergia alle arachidi', 'constraint: Non può mangiare glutine'],
    ],
    [
      'Ho 40 anni, abito a Milano e voglio dormire 8 ore.',
      ['about: Età: 40', 'about: Vive: a Milano', 'goal: Obiettivo: dormire 8 ore'],
    ],
    ['La mia gara è il 20 giugno 2026', ['date: La mia gara è il 20 giugno 2026']],
    ['I have two dogs and I am a nurse.', ['about: I have two dogs', 'about: I am a nurse']],
    ['I usually get up at 6.', ['about: I usually get up at 6']],
    ['Please remember that the gym opens at 7.', ['about: The gym opens at 7']],
    [
      'Sono un infermiere, di solito mi alzo alle 6.',
      ['about: Sono un infermiere', 'about: Di solito mi alzo alle 6'],
    ],
    ['Ricordati che il martedì non ci sono.', ['about: Il martedì non ci sono']],
    // Accents and apostrophes, straight and curly
    ["My name's José María O'Brien", ["name: Name: José María O'Brien"]],
    ["Mi chiamo Niccolò D'Angelo", ["name: Nome: Niccolò D'Angelo"]],
    ['I don’t like mushrooms at all', ['preference: Dislikes mushrooms']],
    ['Im allergic to peanuts', ['constraint: Allergic to peanuts']],
    [
      "Sono allergica all'uovo, vivo a L’Aquila",
      ["constraint: Allergia all'uovo", 'about: Vive: a L’Aquila'],
    ],
    ['Il mio compleanno è il 12 marzo 1990', ['date: Compleanno: 12 marzo 1990']],
    ['Sono nata il 3 aprile 1988', ['date: Compleanno: 3 aprile 1988']],
    // What is liked stands first
    ['Il formaggio non mi piace.', ['preference: Non gradisce il formaggio']],
    ["Il pesce mi piace molto, ma l'aglio no", []],
    ["L'aglio non mi piace più", ["preference: Non gradisce l'aglio"]],
    ['A me non piace correre', ['preference: Non gradisce correre']],
    // Denied: the opposite is known, or nothing
    ['Non mi piace più il caffè.', ['preference: Non gradisce il caffè']],
    ['I no longer like sushi.', ['preference: Dislikes sushi']],
    ["I'm not vegan anymore.", ['constraint: Diet: not vegan']],
    ['Non sono più vegetariana.', ['constraint: Dieta: non vegetariana']],
    [
      'E non sono vegano, ma non mangio maiale',
      ['constraint: Dieta: non vegano', 'constraint: Non mangio maiale'],
    ],
  ])('%s', (message, facts) => {
    expect(contentsOf(message)).toEqual(facts)
  })

  test.each([
    'What is my name?',
    'Do I like pizza?',
    "I'd like to know what I should eat.",
    'Vorrei sapere cosa mangiare.',
    'The marathon of Rome is on 12 October 2026.',
    'She is allergic to nuts.',
    'I am tired today.',
    'I am a bit tired.',
    "My name isn't Anna.",
    'My name is not Bob.',
    "Don't call me Bob.",
    'Call me back tomorrow.',
    "I don't want to lose weight.",
    "I don't have any allergies.",
    'I am not allergic to nuts.',
    'If I want to run a marathon, how should I train?',
    'I like it. I love you. I like your plan.',
    'Non mi chiamo Marco.',
    'Non sono allergico a nulla.',
    'Non voglio perdere peso.',
    'Non odio il pesce.',
    'Non vivo a Roma e non ho 40 anni.',
    'Vorrei un consiglio.',
    'Se voglio correre una maratona, come faccio?',
    '',
    '!!!???',
  ])('nothing in %j', message => {
    expect(extractFacts(message)).toEqual([])
  })

  test('a text that was made to slow it down, at once', () => {
    const hostile = [
      'I like '.repeat(20_000),
      'a, '.repeat(50_000),
      'my favourite '.repeat(10_000),
      `${'x '.repeat(140)}. `.repeat(300),
      ' \n'.repeat(50_000),
    ]
    const startedAt = performance.now()
    for (const text of hostile) extractFacts(text)
    expect(performance.now() - startedAt).toBeLessThan(2000)
  })
})

test('what contradicts itself from one message to the next is about the same thing, so that the newer replaces it', () => {
  const subjectOf = (message: string) =>
    extractFacts(message).map(({ kind, subject }) => `${kind} ${subject}`)
  for (const [one, other] of [
    ['I like sushi.', "I don't like sushi anymore."],
    ['I love the sea.', 'I hate the sea'],
    ['Mi piace molto il caffè', 'Il caffè non mi piace più.'],
    ['I am vegan', "I'm no longer vegan"],
    ['Sono vegetariana', 'Non sono più vegetariana'],
    ['My name is Anna', 'Call me Ada'],
    ['My goal is 1,800 kcal a day', 'I want to eat 2000 kcal'],
  ] as const)
    expect(subjectOf(other), other).toEqual(subjectOf(one))
})

describe('merging', () => {
  const said = (content: string, subject: string | null = null): FactDraft => ({
    kind: 'goal',
    subject,
    content,
  })
  const row = (id: string, content: string, subject: string | null, saidAt = new Date('2026-01-10')) => ({
    id,
    userId: 'u',
    kind: 'goal',
    slot: subject === null ? null : `goal:${subject}`,
    content,
    hash: hashOf('goal', content),
    saidAt,
    createdAt: saidAt,
  })

  test('the same words in another dress are one fact', () => {
    const { insert, ids, confirm } = mergeFacts(
      [row('one', 'Run a marathon', null)],
      [said('  run a MARATHON! '), said('swim'), said('Swim.')],
      null,
    )
    expect(insert.map(({ content }) => content)).toEqual(['swim'])
    expect(ids).toEqual(['one', insert[0]?.id])
    expect(confirm).toEqual(['one'])
    // The same letters, put together or not.
    expect(mergeFacts([row('two', 'caff\u00e8', null)], [said('caffe\u0300')], null).insert).toEqual([])
  })

  test('a newer value replaces the older, and what was corrected in one breath leaves no trace', () => {
    const { insert, supersede, ids } = mergeFacts(
      [row('old', '1800', 'calories')],
      [said('1900', 'calories'), said('2000', 'Calories')],
      null,
    )
    expect(insert.map(({ content }) => content)).toEqual(['2000'])
    expect(supersede).toEqual([{ id: 'old', by: insert[0]?.id }])
    expect(ids).toEqual([insert[0]?.id])
  })

  test('there and back again in one breath: what was superseded a moment ago counts once more', () => {
    const { insert, supersede, ids } = mergeFacts(
      [row('old', '1800', 'calories')],
      [said('1900', 'calories'), said('1800', 'calories')],
      null,
    )
    expect(insert.map(({ content }) => content)).toEqual(['1800'])
    expect(supersede).toEqual([{ id: 'old', by: insert[0]?.id }])
    expect(ids).toEqual([insert[0]?.id])
  })

  test('what was said before the newest and is learnt after it replaces nothing', () => {
    const current = [row('new', '2000', 'calories', new Date('2026-01-10'))]
    expect(mergeFacts(current, [said('1800', 'calories')], new Date('2026-01-09'))).toMatchObject({
      insert: [],
      supersede: [],
    })
    expect(mergeFacts(current, [said('1800', 'calories')], new Date('2026-01-11')).supersede).toHaveLength(1)
  })

  test('the summary begins with who somebody is, and is bounded', () => {
    const facts = [row('1', 'swim.', null), { ...row('2', 'Name: Ada', 'x'), kind: 'name' }]
    expect(summariseFacts(facts)).toBe('Name: Ada. swim.')
    expect(summariseFacts([])).toBe('')
    expect(
      summariseFacts(Array.from({ length: 1000 }, (_, index) => row(`${index}`, `fact ${index}`, null)))
        .length,
    ).toBeLessThanOrEqual(2000)
  })
})
