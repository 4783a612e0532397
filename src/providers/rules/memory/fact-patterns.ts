import type { FactDraft } from '../../memory.ts'

type Groups = Record<string, string>

export interface FactPattern {
  pattern: RegExp
  /** Undefined where it turns out to be none. */
  fact(groups: Groups): FactDraft | undefined
}

const ARTICLE =
  /^(?:the|a|an|some|my|il|lo|la|i|gli|le|un|uno|una|del|dello|della|dei|degli|delle)\s+|^(?:l|un|dell)['’]\s*/iu

/** How much, or since when: no part of what it is said of. */
const DEGREE =
  /\s+(?:a lot|very much|so much|at all|any ?more|any longer|molto|tanto|tantissimo|affatto|per niente|più)$/iu

/** What is liked or not, however it is put. */
function subjectOf(text: string): string {
  return text.toLowerCase().replace(ARTICLE, '').trim()
}

/** Points at something said elsewhere, or at whoever is spoken to: nothing that could be known later. */
const VAGUE =
  /^(?:it|that|this|these|those|you|him|her|them|(?:your|what|how|when|where|neither) .+|to (?:say|admit) .+|(?:quest|quell)[oaie]|te|lui|lei|loro|tutto|così|(?:quello|ciò) che .+)$/iu

const fact = (kind: FactDraft['kind'], subject: string | null, content: string): FactDraft => ({
  kind,
  subject,
  content,
})
const about = (subject: string, label: string) => (g: Groups) =>
  fact('about', subject, `${label}: ${g.value}`)

/** Polite ways to ask for something, which are no goals. */
const REQUEST =
  /^(?:know|ask|see|hear|understand|talk|say|tell|get an?|have an?|be told|(?:un|qualche|dei) (?:consigli|aiut|suggeriment)[oi]|sapere|chiedere|chiederti|vedere|capire|parlare|sentire|dire|dirti|avere un)(?![\p{L}])/iu

function goal(label: string) {
  return ({ value = '' }: Groups) => {
    if (REQUEST.test(value)) return undefined
    return fact('goal', goalSubject(value), `${label}: ${value}`)
  }
}

/** There is one goal for the calories of a day, and one for the weight. */
function goalSubject(value: string): string | null {
  if (/\d\s*(?:k?cal\b|calori)/iu.test(value)) return 'calories'
  if (
    /(?:weigh|lose|gain|perdere|pesare|dimagrire|prendere|arrivare a)\b.*\d\s*(?:kg|kilos?|chili|lbs?|pounds)(?![\p{L}])/iu.test(
      value,
    )
  )
    return 'weight'
  if (/\d\s*(?:steps|passi)(?![\p{L}])/iu.test(value)) return 'steps'
  if (/(?:sleep|dormire)\b.*\d/iu.test(value)) return 'sleep'
  return null
}

const preference =
  (label: string) =>
  ({ value = '' }: Groups) => {
    const what = value.replace(DEGREE, '')
    return REQUEST.test(what) ||
      VAGUE.test(what) ||
      /^to (?:know|ask|see|hear|understand)(?![\p{L}])/iu.test(what)
      ? undefined
      : fact('preference', subjectOf(what), `${label} ${what}`)
  }
/** For what began its sentence, and does not any more. */
const inside =
  (make: (groups: Groups) => FactDraft | undefined) =>
  ({ value = '' }: Groups) =>
    make({ value: `${value[0]?.toLowerCase() ?? ''}${value.slice(1)}` })
const constraint =
  (label: string) =>
  ({ value = '' }: Groups) =>
    fact('constraint', null, `${label} ${value}`)
const diet =
  (label: string) =>
  ({ value = '' }: Groups) =>
    fact('constraint', 'diet', `${label} ${value.toLowerCase()}`)

/** "Call me back", "my name is on the list", "my name is not Bob". */
const NO_NAME =
  /^(?:a|an|and|any|anytime|as|asap|at|back|before|after|by|crazy|every|for|from|if|in|later|maybe|next|not|now|on|once|or|soon|the|then|to|today|tomorrow|tonight|until|what|whatever|when|whenever|again|non|domani|dopo|oggi|più|pure|quando|se|presto|stasera|subito)$/iu

/** Upper case where a name goes on: "Anna Maria", and not "Anna and". */
function nameIn(rest: string): string | undefined {
  const [first, ...more] = rest.split(/[\s,]+/)
  if (!first || !/^\p{L}[\p{L}'’-]{0,39}$/u.test(first) || NO_NAME.test(first)) return undefined
  const name = [first]
  for (const word of more.slice(0, 3)) {
    if (!/^\p{Lu}[\p{L}'’-]*$/u.test(word)) break
    name.push(word)
  }
  return name.join(' ')
}
const name =
  (label: string) =>
  ({ value = '' }: Groups) => {
    const found = nameIn(value)
    return found === undefined
      ? undefined
      : fact('name', 'name', `${label}: ${found[0]?.toUpperCase()}${found.slice(1)}`)
  }

const NOT = "(?:don['’]?t|do not|never)"
const I_AM = "i(?:['’]?m| am)"
const BE = '(?:is|are|=|:)'
const VALUE = '(?<value>.+)$'
/** What stands behind it is denied: "non sono vegano", "don't call me Bob". A pattern that denies begins with its denial. */
const DENIED = "(?<!(?:^|[^\\p{L}])(?:non|don['’]?t|do not|never|not)\\s)"
const en = (text: string) => new RegExp(`(?:^|[^\\p{L}])${DENIED}${text}`, 'iu')

/** "Il formaggio non mi piace": what is liked stands first. */
const LIKED = "(?:il|lo|la|i|gli|le) [\\p{L}'’ -]{2,60}?|l['’][\\p{L}'’ -]{2,60}?"
const HOW_MUCH = '(?:e|ciono)(?: (?:più|molto|tanto|tantissimo|affatto|per niente))?'

/** In their order: of those that fit a clause, the first counts. */
export const factPatterns: readonly FactPattern[] = [
  // Names
  {
    pattern: en(`(?:my name is|my name['’]s|${I_AM} called|call me|they call me) ${VALUE}`),
    fact: name('Name'),
  },
  { pattern: en(`(?:mi chiamo|il mio nome è|chiamami) ${VALUE}`), fact: name('Nome') },

  // What is and what may not be
  {
    pattern: en(`${I_AM} (?:a |an )?(?:strict )?(?<value>vegan|vegetarian|pescatarian|omnivore)(?![\\p{L}])`),
    fact: diet('Diet:'),
  },
  {
    pattern: en(
      '(?:sono|mangio) (?<value>vegan[oa]?|vegetarian[oa]|pescetarian[oa]|onnivor[oa])(?![\\p{L}])',
    ),
    fact: diet('Dieta:'),
  },
  {
    pattern: en(
      `${I_AM} (?:not|no longer) (?:a |an )?(?:strict )?(?<value>vegan|vegetarian|pescatarian|omnivore)(?![\\p{L}])`,
    ),
    fact: diet('Diet: not'),
  },
  {
    pattern: en(
      'non sono (?:più )?(?<value>vegan[oa]?|vegetarian[oa]|pescetarian[oa]|onnivor[oa])(?![\\p{L}])',
    ),
    fact: diet('Dieta: non'),
  },
  { pattern: en(`${I_AM} (?:severely |very )?allergic to ${VALUE}`), fact: constraint('Allergic to') },
  { pattern: en(`i have an? (?<value>.+ (?:allergy|intolerance))$`), fact: constraint('Has a') },
  { pattern: en(`${I_AM} (?<value>(?:[\\p{L}-]+[ -])?intolerant(?: to .+)?)$`), fact: constraint('Is') },
  {
    pattern: en(
      `${I_AM} (?:a )?(?<value>celiac|coeliac|diabetic|pregnant|asthmatic|hypertensive)(?![\\p{L}])`,
    ),
    fact: constraint('Is'),
  },
  {
    pattern: en(
      `i have (?<value>(?:type [12] )?diabetes|asthma|c(?:o)?eliac disease|high blood pressure|a bad .+|an? injured .+|an? .+ injury)$`,
    ),
    fact: constraint('Has'),
  },
  {
    pattern: en(
      `i (?:can['’]?t|cannot|can not|must not|mustn['’]t|may not|am not allowed to) (?<value>(?:eat|drink|have|use|train|run|exercise|lift|sleep|do)(?![\\p{L}]).*)$`,
    ),
    fact: constraint('Cannot or does not'),
  },
  // Who does not have something, or does not do it now, is not forbidden it.
  {
    pattern: en(`i ${NOT} (?<value>(?:eat|drink|use|train|run|exercise|lift|sleep)(?![\\p{L}]).*)$`),
    fact: constraint('Cannot or does not'),
  },
  { pattern: en(`i (?:have to |must |need to |try to )?avoid ${VALUE}`), fact: constraint('Avoids') },
  { pattern: en(`i can only ${VALUE}`), fact: constraint('Can only') },
  { pattern: en(`i only have ${VALUE}`), fact: constraint('Only has') },
  {
    pattern: en(`sono (?:molto )?allergic[oa] (?<value>(?:a|ai|agli|alle|alla|al|allo|all['’]).+)$`),
    fact: g => fact('constraint', null, `Allergia ${g.value}`),
  },
  {
    pattern: en(`sono intollerante (?<value>(?:a|ai|agli|alle|alla|al|allo|all['’]).+)$`),
    fact: g => fact('constraint', null, `Intolleranza ${g.value}`),
  },
  {
    pattern: en('sono (?<value>celiac[oa]|diabetic[oa]|incinta|asmatic[oa]|ipertes[oa])(?![\\p{L}])'),
    fact: constraint('È'),
  },
  {
    pattern: en(
      "ho (?<value>il diabete|l['’]asma|la celiachia|la pressione alta|un['’]?a? ?(?:allergia|intolleranza) .+)$",
    ),
    fact: constraint('Ha'),
  },
  {
    pattern: en(
      'non (?:posso|devo) (?<value>(?:mangiare|bere|usare|correre|allenarmi|fare|prendere|dormire)(?![\\p{L}]).*)$',
    ),
    fact: constraint('Non può'),
  },
  {
    pattern: en('(?<value>non (?:mangio|bevo|uso|prendo) .+)$'),
    fact: g => fact('constraint', null, capitalised(g.value)),
  },
  { pattern: en(`(?:devo evitare|evito) ${VALUE}`), fact: constraint('Evita') },

  // Likes; those that deny first
  {
    pattern: en(
      `i (?:really )?(?:${NOT} (?:really )?(?:like|enjoy|love)|hate|dislike|detest|can['’]?t stand|cannot stand) ${VALUE}`,
    ),
    fact: preference('Dislikes'),
  },
  { pattern: en(`${I_AM} not (?:a fan of|fond of|into) ${VALUE}`), fact: preference('Dislikes') },
  { pattern: en(`i no longer (?:like|enjoy|love) ${VALUE}`), fact: preference('Dislikes') },
  {
    pattern: en(`my favou?rite (?<thing>[\\p{L} ]{2,40}?) ${BE} ${VALUE}`),
    fact: g => fact('preference', `favourite ${g.thing?.toLowerCase()}`, `Favourite ${g.thing}: ${g.value}`),
  },
  {
    pattern: en(`i(?:['’]d| would)? (?:really |much |usually )?prefer ${VALUE}`),
    fact: preference('Prefers'),
  },
  {
    pattern: en(`i (?:really |also |absolutely )?(?:like|love|enjoy|adore) ${VALUE}`),
    fact: preference('Likes'),
  },
  { pattern: en(`${I_AM} (?:a (?:big |huge )?fan of|fond of) ${VALUE}`), fact: preference('Likes') },
  {
    pattern: en(
      `(?:(?:a me )?non (?:mi )?piac(?:e|ciono)|non amo|odio|detesto|non sopporto) (?:più |molto |affatto |per niente )?(?!(?:più|molto|affatto|per niente)(?:$|,))${VALUE}`,
    ),
    fact: preference('Non gradisce'),
  },
  {
    pattern: new RegExp(`^(?<value>${LIKED}) non mi piac${HOW_MUCH}$`, 'iu'),
    fact: inside(preference('Non gradisce')),
  },
  {
    pattern: en(
      `(?:il mio|la mia|i miei|le mie) (?<thing>[\\p{L} ]{2,40}?) preferit[oaie] (?:è|sono) ${VALUE}`,
    ),
    fact: g =>
      fact(
        'preference',
        `favourite ${g.thing?.toLowerCase()}`,
        `${capitalised(g.thing)} preferito: ${g.value}`,
      ),
  },
  { pattern: en(`(?:preferisco|preferirei) ${VALUE}`), fact: preference('Preferisce') },
  {
    pattern: en(
      `(?:mi piac(?:e|ciono)|a me piac(?:e|ciono)|adoro|amo) (?:molto |tanto |tantissimo )?(?!(?:molto|tanto|tantissimo)(?:$|,))${VALUE}`,
    ),
    fact: preference('Gradisce'),
  },
  {
    pattern: new RegExp(`^(?<value>${LIKED}) mi piac${HOW_MUCH}$`, 'iu'),
    fact: inside(preference('Gradisce')),
  },

  // Goals
  {
    pattern: en(`my (?:daily )?(?:calorie|kcal) (?:goal|target|limit) is ${VALUE}`),
    fact: g => fact('goal', 'calories', `Calories a day: ${g.value}`),
  },
  {
    pattern: en(
      `(?:my|the) (?:main |new |big |current |fitness )?(?:goal|aim|objective|target) (?:is|now is) (?:to )?${VALUE}`,
    ),
    fact: goal('Goal'),
  },
  {
    pattern: en(`${I_AM} (?:trying|hoping|planning|going|training|working) (?:to|for|on|towards?) ${VALUE}`),
    fact: goal('Goal'),
  },
  { pattern: en(`i(?:['’]d| would) (?:like|love) to ${VALUE}`), fact: goal('Goal') },
  { pattern: en(`i (?:want|aim|plan|hope|wish|intend|need) to ${VALUE}`), fact: goal('Goal') },
  {
    pattern: en(
      `il mio (?:nuovo |principale )?(?:obiettivo|traguardo) (?:di calorie |calorico )?(?:è|sono) (?:di |quello di )?${VALUE}`,
    ),
    fact: goal('Obiettivo'),
  },
  {
    pattern: en(
      `(?:voglio|vorrei|desidero|punto a|spero di|cerco di|sto cercando di|sto provando a|ho intenzione di|intendo|mi alleno per|mi sto allenando per) ${VALUE}`,
    ),
    fact: goal('Obiettivo'),
  },

  // Who somebody is
  { pattern: en(`${I_AM} (?<value>\\d{1,3})(?: years old| yo)?$`), fact: about('age', 'Age') },
  { pattern: en('ho (?<value>\\d{1,3}) anni(?![\\p{L}])'), fact: about('age', 'Età') },
  {
    pattern: en(
      'i weigh (?:about |around )?(?<value>\\d+(?:[.,]\\d+)? ?(?:kg|kilos?|lbs?|pounds))(?![\\p{L}])',
    ),
    fact: about('weight', 'Weight'),
  },
  {
    pattern: en('peso (?:circa )?(?<value>\\d+(?:[.,]\\d+)? ?(?:kg|chili))(?![\\p{L}])'),
    fact: about('weight', 'Peso'),
  },
  {
    pattern: en(`${I_AM} (?<value>\\d+(?:[.,]\\d+)? ?(?:cm|m|metres|meters)) tall`),
    fact: about('height', 'Height'),
  },
  {
    pattern: en('sono alt[oa] (?<value>\\d+(?:[.,]\\d+)? ?(?:cm|m|metri)?)'),
    fact: about('height', 'Altezza'),
  },
  { pattern: en(`i live in ${VALUE}`), fact: about('home', 'Lives in') },
  { pattern: en(`(?:vivo|abito) (?<value>(?:a|ad|in|nel|nella) .+)$`), fact: about('home', 'Vive') },
  { pattern: en(`i work (?<value>(?:as|at|in|for) .+)$`), fact: about('work', 'Works') },
  { pattern: en(`lavoro (?<value>(?:come|a|in|per|presso) .+)$`), fact: about('work', 'Lavora') },
  {
    pattern: en(
      '(?<value>i have (?:an?|two|three|four|\\d+) (?:[\\p{L}]+ ){0,2}(?:dogs?|cats?|pets?|sons?|daughters?|child(?:ren)?|kids?|horses?|jobs?)(?![\\p{L}]).*)$',
    ),
    fact: told,
  },
  {
    pattern: en(
      '(?<value>ho (?:una?|due|tre|quattro|\\d+) (?:[\\p{L}]+ ){0,2}(?:can[ei]|gatt[oi]|figli[oa]?|figlie|bambin[oiea]|cavall[oi]|lavor[oi])(?![\\p{L}]).*)$',
    ),
    fact: told,
  },
  { pattern: en(`(?<value>${I_AM} an? (?!bit|little|lot|few)[\\p{L} -]{3,60})$`), fact: told },
  { pattern: en("(?<value>sono un(?:[oa]|['’])? ?(?!po)[\\p{L} -]{3,60})$"), fact: told },
  { pattern: en('(?<value>i (?:usually|always|normally|often) .+)$'), fact: told },
  { pattern: en('(?<value>(?:di solito|normalmente) .+)$'), fact: told },
  // What somebody asks to be remembered, whatever it is.
  { pattern: en(`(?:remember|keep in mind|note|don['’]?t forget) that ${VALUE}`), fact: told },
  { pattern: en(`(?:ricorda(?:ti)?|ricordati|tieni presente|non dimenticare) che ${VALUE}`), fact: told },
]

function told({ value = '' }: Groups): FactDraft {
  return fact('about', null, capitalised(value))
}

function capitalised(text = ''): string {
  return `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`
}
