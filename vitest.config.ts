import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** What takes longest goes first, so that nothing long is left to run alone at the end: the longest file, then what kills and stops. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) =>
      moduleId.endsWith('/rolling-restart.test.ts') ? 0 : moduleId.includes('/faults/') ? 1 : 2
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  // Without this, vite takes graphql's other build for our files than Node takes for Yoga and Pothos: two GraphQLErrors.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // A deadline for the tests that start processes and databases; what hangs longer is stuck.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Files run beside each other, each with a database of its own.
    fileParallelism: true,
    sequence: { sequencer: LongestFirst },
    maxWorkers: 3,
    reporters: ['default'],
  },
})
