-- CreateEnum
CREATE TYPE "StatsProvider" AS ENUM ('STRAVA', 'WAKATIME');

-- CreateTable
CREATE TABLE "provider_stats" (
    "user_id" UUID NOT NULL,
    "provider" "StatsProvider" NOT NULL,
    "stats_type" TEXT NOT NULL,
    "data" JSONB NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "provider_stats_pkey" PRIMARY KEY ("user_id","provider","stats_type")
);

-- CreateTable
CREATE TABLE "connected_accounts" (
    "user_id" UUID NOT NULL,
    "provider" "StatsProvider" NOT NULL,
    "athlete_id" TEXT NOT NULL,
    "access_token" TEXT NOT NULL,
    "refresh_token" TEXT NOT NULL,
    "key_id" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "revoked_at" TIMESTAMPTZ(3),
    "sync_epoch" INTEGER NOT NULL DEFAULT 0,
    "sync_owner" INTEGER,
    "sync_until" TIMESTAMPTZ(3),
    "sync_outcome" JSONB,
    "sync_after" TIMESTAMPTZ(3),

    CONSTRAINT "connected_accounts_pkey" PRIMARY KEY ("user_id","provider")
);

-- CreateIndex
CREATE INDEX "connected_accounts_key_id_idx" ON "connected_accounts"("key_id");

-- CreateIndex
CREATE INDEX "connected_accounts_sync_after_idx" ON "connected_accounts"("sync_after");

-- AddForeignKey
ALTER TABLE "provider_stats" ADD CONSTRAINT "provider_stats_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "connected_accounts" ADD CONSTRAINT "connected_accounts_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;
