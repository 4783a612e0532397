-- CreateEnum
CREATE TYPE "ReconnectReason" AS ENUM ('REFUSED', 'REFRESH_LOST');

-- AlterTable
ALTER TABLE "connected_accounts" ADD COLUMN     "reconnect_reason" "ReconnectReason",
ADD COLUMN     "refresh_begun_at" TIMESTAMPTZ(3),
ADD COLUMN     "synced_at" TIMESTAMPTZ(3),
ADD COLUMN     "tokens_version" INTEGER NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "provider_pauses" (
    "provider" "StatsProvider" NOT NULL,
    "ends_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "provider_pauses_pkey" PRIMARY KEY ("provider")
);
