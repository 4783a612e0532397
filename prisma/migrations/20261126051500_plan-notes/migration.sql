-- AlterTable
ALTER TABLE "plans" ADD COLUMN     "eating_hash" TEXT,
ADD COLUMN     "notes" JSONB NOT NULL DEFAULT '[]',
ADD COLUMN     "preferences_hash" TEXT;
