import type { VersionedPreferences } from '../database/preferences.ts'
import { updatePreferences } from '../domain/preferences/update-preferences.ts'
import { builder } from './builder.ts'
import { requireViewer } from './context.ts'
import { ConflictError, conflict, InvalidInputError, invalidInput } from './errors.ts'
import { User } from './user.ts'

const Preferences = builder.objectRef<VersionedPreferences>('Preferences').implement({
  fields: t => ({
    dietType: t.exposeString('dietType', { nullable: true }),
    dietaryRestrictions: t.exposeStringList('dietaryRestrictions'),
    dislikedIngredients: t.exposeStringList('dislikedIngredients'),
    recipeType: t.exposeStringList('recipeType'),
    macroProtein: t.exposeInt('macroProtein', { nullable: true }),
    macroCarbs: t.exposeInt('macroCarbs', { nullable: true }),
    macroFat: t.exposeInt('macroFat', { nullable: true }),
    calorieGoal: t.exposeInt('calorieGoal', { nullable: true }),
    mealTimes: t.exposeStringList('mealTimes'),
    appliances: t.exposeStringList('appliances'),
    prepComplexity: t.exposeInt('prepComplexity', { nullable: true }),
    servingsPerMeal: t.exposeInt('servingsPerMeal'),
    snacksPerDay: t.exposeInt('snacksPerDay'),
    version: t.exposeInt('version', { description: '0 until the first write, one more with each.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', nullable: true }),
  }),
})

builder.objectField(User, 'preferences', t =>
  t.field({
    type: Preferences,
    resolve: (user, _args, context) => context.loaders.preferencesByUser.load(user.id),
  }),
)

const UpdatePreferencesInput = builder.inputType('UpdatePreferencesInput', {
  fields: t => ({
    dietType: t.string({ required: false }),
    dietaryRestrictions: t.stringList({ required: false }),
    dislikedIngredients: t.stringList({ required: false }),
    recipeType: t.stringList({ required: false }),
    macroProtein: t.int({
      required: false,
      description: 'Percent; the three macros, when set, add up to 100.',
    }),
    macroCarbs: t.int({ required: false }),
    macroFat: t.int({ required: false }),
    calorieGoal: t.int({ required: false }),
    mealTimes: t.stringList({ required: false }),
    appliances: t.stringList({ required: false }),
    prepComplexity: t.int({ required: false, description: '0 to 100.' }),
    servingsPerMeal: t.int({ required: false }),
    snacksPerDay: t.int({ required: false }),
    expectedVersion: t.int({
      required: false,
      description: 'The version read; another write since then gives ConflictError.',
    }),
  }),
})

interface Payload {
  __typename: 'UpdatePreferencesPayload'
  preferences: VersionedPreferences
}
const UpdatePreferencesPayload = builder.objectRef<Payload>('UpdatePreferencesPayload').implement({
  fields: t => ({ preferences: t.expose('preferences', { type: Preferences }) }),
})

const UpdatePreferencesResult = builder.unionType('UpdatePreferencesResult', {
  types: [UpdatePreferencesPayload, InvalidInputError, ConflictError],
  resolveType: value => value.__typename,
})

builder.mutationField('updatePreferences', t =>
  t.field({
    type: UpdatePreferencesResult,
    args: { input: t.arg({ type: UpdatePreferencesInput }) },
    resolve: async (_root, { input: { expectedVersion, ...change } }, context) => {
      const { user } = requireViewer(context)
      const outcome = await updatePreferences(
        context.services.transaction,
        user.id,
        change,
        expectedVersion ?? null,
      )
      switch (outcome.type) {
        case 'updated':
          return { __typename: 'UpdatePreferencesPayload' as const, preferences: outcome.preferences }
        case 'invalid-input':
          return invalidInput(outcome.issues)
        case 'conflict':
          return conflict(outcome.currentVersion)
      }
    },
  }),
)
