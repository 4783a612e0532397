import type { GraphQLResolveInfo } from 'graphql'
import type { FoundPlan, PlanItemRow, PlanNoteRow, PlanRow } from '../database/plans.ts'
import { planKinds, planNoteKinds } from '../providers/plan.ts'
import { Analysis, Archetype } from './analysis.ts'
import { builder } from './builder.ts'
import { connectionType, keysetConnection } from './connection.ts'
import type { Context } from './context.ts'
import { selects } from './selection.ts'
import { onlyOwn, User } from './user.ts'

export const PlanKind = builder.enumType('PlanKind', { values: planKinds })

const Nutrition = builder.objectRef<NonNullable<PlanItemRow['nutrition']>>('Nutrition').implement({
  fields: t => ({
    calories: t.exposeFloat('calories'),
    proteinGrams: t.exposeFloat('proteinGrams'),
    carbsGrams: t.exposeFloat('carbsGrams'),
    fatGrams: t.exposeFloat('fatGrams'),
  }),
})

const PlanItem = builder.objectRef<PlanItemRow>('PlanItem').implement({
  fields: t => ({
    day: t.exposeInt('day', { description: "1 is the plan's first day." }),
    time: t.exposeString('time', { nullable: true, description: 'HH:MM, 24-hour.' }),
    title: t.exposeString('title'),
    description: t.exposeString('description'),
    ingredients: t.exposeStringList('ingredients'),
    nutrition: t.expose('nutrition', { type: Nutrition, nullable: true }),
  }),
})

const PlanNoteKind = builder.enumType('PlanNoteKind', { values: planNoteKinds })

const PlanNote = builder.objectRef<PlanNoteRow>('PlanNote').implement({
  description: 'What of the preferences a plan does not keep, does not seem to keep, or nobody could check.',
  fields: t => ({
    kind: t.field({
      type: PlanNoteKind,
      // Of a version that knew other ones.
      resolve: ({ kind }) => planNoteKinds.find(known => known === kind) ?? 'OTHER',
    }),
    day: t.exposeInt('day', { nullable: true, description: 'Null where it is about no day alone.' }),
    dish: t.exposeString('dish', {
      nullable: true,
      description: 'The title of the item it is about; null where it is about none alone.',
    }),
    message: t.exposeString('message', { description: 'For the user.' }),
  }),
})

export const Plan = builder.objectRef<FoundPlan>('Plan')

builder.node(Plan, {
  id: { resolve: plan => plan.id },
  loadWithoutCache: (id, context, info) =>
    onlyOwn<FoundPlan>(
      context,
      showsAll(info) ? context.loaders.wholePlan.load(id) : context.loaders.plan.load(id),
      plan => plan.userId,
    ),
  fields: t => ({
    user: t.field({
      type: User,
      resolve: async (plan, _args, context) => {
        const user = await context.loaders.user.load(plan.userId)
        if (!user) throw new Error('the user of a plan is gone')
        return user
      },
    }),
    kind: t.expose('kind', { type: PlanKind }),
    archetype: t.expose('archetype', { type: Archetype }),
    analysis: t.field({
      type: Analysis,
      description: 'The behavior analysis it was made from.',
      resolve: async (plan, _args, context) => {
        const analysis = await context.loaders.analysis.load(plan.analysisId)
        if (!analysis) throw new Error('the analysis of a plan is gone')
        return analysis
      },
    }),
    title: t.exposeString('title'),
    summary: t.exposeString('summary'),
    items: t.field({
      type: [PlanItem],
      resolve: ({ id, items }, _args, context) => items ?? wholeOf(id, context).then(whole => whole.items),
    }),
    notes: t.field({
      type: [PlanNote],
      description:
        'What of the preferences it does not keep. A plan of a language model is taken as it comes: a dish that seems to break the diet or a restriction is named here and in the summary.',
      resolve: ({ id, notes }, _args, context) => notes ?? wholeOf(id, context).then(whole => whole.notes),
    }),
    date: t.expose('date', { type: 'Date' }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
  }),
})

/** Of one that was read without its items and notes. */
async function wholeOf(id: string, { loaders }: Context): Promise<PlanRow> {
  const whole = await loaders.wholePlan.load(id)
  if (!whole) throw new Error('a plan is gone')
  return whole
}

/** Whether it is to be read with its items and notes. */
function showsAll(info: GraphQLResolveInfo): boolean {
  return selects(info, 'items') || selects(info, 'notes')
}

const PlanConnection = connectionType('Plan', Plan)

builder.objectField(Analysis, 'plans', t =>
  t.field({
    type: [Plan],
    resolve: (analysis, _args, { loaders }, info) =>
      (showsAll(info) ? loaders.wholePlansByAnalysis : loaders.plansByAnalysis).load(analysis.id),
  }),
)

builder.objectFields(User, t => ({
  plans: t.field({
    type: PlanConnection,
    args: {
      kind: t.arg({ type: PlanKind, required: false }),
      archetype: t.arg({ type: Archetype, required: false }),
      first: t.arg.int({ defaultValue: 20, required: false }),
      after: t.arg.string({ required: false }),
    },
    resolve: (user, args, { loaders }, info) => {
      const filter = { userId: user.id, kind: args.kind ?? null, archetype: args.archetype ?? null }
      const pages = showsAll(info) ? loaders.wholePlanPage : loaders.planPage
      return keysetConnection(
        args,
        page => pages.load({ ...filter, page }),
        () => loaders.planCount.load(filter),
      )
    },
  }),
  latestPlan: t.field({
    type: Plan,
    nullable: true,
    args: { kind: t.arg({ type: PlanKind }), archetype: t.arg({ type: Archetype }) },
    resolve: (user, { kind, archetype }, { loaders }, info) =>
      (showsAll(info) ? loaders.latestWholePlan : loaders.latestPlan).load({
        userId: user.id,
        kind,
        archetype,
      }),
  }),
}))
