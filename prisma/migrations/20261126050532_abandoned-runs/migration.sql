-- DropIndex
DROP INDEX "leases_owner_idx";

-- AlterTable
ALTER TABLE "leases" ADD COLUMN     "lost_owners" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "request" JSONB;

-- AlterTable
ALTER TABLE "generations" ADD COLUMN     "progress" DOUBLE PRECISION;

-- What Prisma's schema language cannot say.

-- Of all keys that were ever used few are in flight. Neither column changes when a lease is renewed.
CREATE INDEX "leases_running_idx" ON "leases"("owner") WHERE "state" = 'RUNNING';
