import { defineConfig } from 'vitest/config'

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
    maxWorkers: 3,
    reporters: ['default'],
  },
})
