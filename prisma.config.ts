import { defineConfig } from 'prisma/config'

/** For Prisma's own command line, e.g. `npx prisma studio --url …`. The gateway applies its migrations itself. */
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
})
