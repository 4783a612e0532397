import { readFile } from 'node:fs/promises'
import { buildSchema } from 'graphql'
import { expect, test } from 'vitest'
import { schema } from '../../src/schema/schema.ts'
import { compareSchemas } from './compare-schemas.ts'

/** The public contract, as it was handed out; changed only together with it. */
const contract = buildSchema(await readFile(new URL('contract.graphql', import.meta.url), 'utf8'))
/** What of it is not built yet. The list only shrinks: who builds something takes it out. */
const pending = JSON.parse(await readFile(new URL('pending.json', import.meta.url), 'utf8')) as string[]

const { missing, differences } = compareSchemas(contract, schema)

test('what the schema has of the contract is exactly as the contract has it', () => {
  expect(differences).toEqual([])
})

test('the schema has all of the contract that is not on the list of what is pending', () => {
  expect(missing.filter(coordinate => !pending.includes(coordinate))).toEqual([])
})

test('what is on the list of what is pending is not built, and is there once', () => {
  expect(pending.filter(coordinate => !missing.includes(coordinate))).toEqual([])
  expect(pending.filter((coordinate, index) => pending.indexOf(coordinate) !== index)).toEqual([])
})
