-- CreateEnum
CREATE TYPE "Archetype" AS ENUM ('FOUNDATION_BUILDER', 'PEAK_PERFORMER', 'SYSTEMATIC_IMPROVER', 'RESILIENCE_REBUILDER');

-- CreateEnum
CREATE TYPE "AnalysisType" AS ENUM ('BEHAVIOR_ANALYSIS');

-- CreateEnum
CREATE TYPE "AnalysisMode" AS ENUM ('INITIAL', 'FOLLOW_UP');

-- CreateEnum
CREATE TYPE "InsightKind" AS ENUM ('STRENGTH', 'RISK', 'TREND', 'RECOMMENDATION');

-- CreateEnum
CREATE TYPE "GenerationKind" AS ENUM ('BEHAVIOR_ANALYSIS', 'ROUTINE_PLAN', 'NUTRITION_PLAN', 'MENU_PLAN', 'INTERVIEW_PROMPT', 'CONVERSATION_REPLY');

-- CreateEnum
CREATE TYPE "GenerationState" AS ENUM ('RUNNING', 'SUCCEEDED', 'FAILED');

-- CreateEnum
CREATE TYPE "GenerationPhase" AS ENUM ('WAITING', 'COLLECTING', 'GENERATING', 'STORING', 'DONE');

-- CreateTable
CREATE TABLE "users" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "issuer" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "email_verified" BOOLEAN NOT NULL DEFAULT false,
    "data_revision" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "data_points" (
    "id" BIGSERIAL NOT NULL,
    "user_id" UUID NOT NULL,
    "metric" TEXT NOT NULL,
    "value" DOUBLE PRECISION NOT NULL,
    "unit" TEXT,
    "recorded_at" TIMESTAMPTZ(3) NOT NULL,
    "source" TEXT NOT NULL,
    "external_id" TEXT NOT NULL,
    "revision" INTEGER NOT NULL,
    "received_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "data_points_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "analyses" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "user_id" UUID NOT NULL,
    "type" "AnalysisType" NOT NULL,
    "archetype" "Archetype" NOT NULL,
    "mode" "AnalysisMode" NOT NULL,
    "trigger" TEXT NOT NULL,
    "date" DATE NOT NULL,
    "summary" TEXT NOT NULL,
    "result" JSONB NOT NULL,
    "data_point_count" INTEGER NOT NULL,
    "data_revision" INTEGER NOT NULL,
    "generation_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "analyses_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "insights" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "analysis_id" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "kind" "InsightKind" NOT NULL,
    "title" TEXT NOT NULL,
    "body" TEXT NOT NULL,
    "confidence" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "insights_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "archetype_tracking" (
    "user_id" UUID NOT NULL,
    "archetype" "Archetype" NOT NULL,
    "last_analysis_at" TIMESTAMPTZ(3) NOT NULL,
    "analysis_count" INTEGER NOT NULL,
    "data_revision" INTEGER NOT NULL,

    CONSTRAINT "archetype_tracking_pkey" PRIMARY KEY ("user_id","archetype")
);

-- CreateTable
CREATE TABLE "idempotency_keys" (
    "user_id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "answer" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("user_id","key")
);

-- CreateTable
CREATE TABLE "leases" (
    "key" TEXT NOT NULL,
    "state" "GenerationState" NOT NULL,
    "epoch" INTEGER NOT NULL,
    "owner" INTEGER NOT NULL,
    "lease_until" TIMESTAMPTZ(6) NOT NULL,
    "run_id" UUID NOT NULL,
    "phase" "GenerationPhase" NOT NULL,
    "progress" DOUBLE PRECISION NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "retry_after" TIMESTAMPTZ(6),
    "takeover_cause" TEXT,
    "claim" UUID,

    CONSTRAINT "leases_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "generations" (
    "id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "kind" "GenerationKind" NOT NULL,
    "user_id" UUID NOT NULL,
    "archetype" "Archetype",
    "state" "GenerationState" NOT NULL,
    "epoch" INTEGER NOT NULL,
    "input_revision" INTEGER,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3),
    "error" TEXT,
    "error_retryable" BOOLEAN,
    "result_id" UUID,

    CONSTRAINT "generations_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "users_issuer_subject_key" ON "users"("issuer", "subject");

-- CreateIndex
CREATE INDEX "data_points_user_id_recorded_at_idx" ON "data_points"("user_id", "recorded_at");

-- CreateIndex
CREATE INDEX "data_points_user_id_revision_idx" ON "data_points"("user_id", "revision");

-- CreateIndex
CREATE UNIQUE INDEX "data_points_user_id_source_external_id_key" ON "data_points"("user_id", "source", "external_id");

-- CreateIndex
CREATE INDEX "analyses_user_id_archetype_created_at_id_idx" ON "analyses"("user_id", "archetype", "created_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "analyses_created_at_idx" ON "analyses"("created_at" DESC);

-- CreateIndex
CREATE INDEX "analyses_user_id_created_at_id_idx" ON "analyses"("user_id", "created_at" DESC, "id" DESC);

-- CreateIndex
CREATE UNIQUE INDEX "analyses_user_id_type_date_archetype_trigger_key" ON "analyses"("user_id", "type", "date", "archetype", "trigger");

-- CreateIndex
CREATE UNIQUE INDEX "insights_analysis_id_position_key" ON "insights"("analysis_id", "position");

-- CreateIndex
CREATE INDEX "leases_owner_idx" ON "leases"("owner");

-- CreateIndex
CREATE INDEX "generations_user_id_started_at_idx" ON "generations"("user_id", "started_at" DESC);

-- AddForeignKey
ALTER TABLE "data_points" ADD CONSTRAINT "data_points_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "analyses" ADD CONSTRAINT "analyses_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "insights" ADD CONSTRAINT "insights_analysis_id_fkey" FOREIGN KEY ("analysis_id") REFERENCES "analyses"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "archetype_tracking" ADD CONSTRAINT "archetype_tracking_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "generations" ADD CONSTRAINT "generations_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "idempotency_keys" ADD CONSTRAINT "idempotency_keys_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What Prisma's schema language cannot say.

-- The number of an instance, never given twice: an advisory lock under it tells others that the instance lives.
CREATE SEQUENCE "instance_numbers" AS INTEGER;

ALTER TABLE "users" ADD CONSTRAINT "users_subject_length" CHECK (char_length("subject") BETWEEN 1 AND 128);
ALTER TABLE "data_points" ADD CONSTRAINT "data_points_value_finite" CHECK ("value" NOT IN ('NaN', 'Infinity', '-Infinity'));
ALTER TABLE "data_points" ADD CONSTRAINT "data_points_metric_form" CHECK ("metric" ~ '^[a-z0-9_]{1,64}$');
ALTER TABLE "insights" ADD CONSTRAINT "insights_confidence_range" CHECK ("confidence" BETWEEN 0 AND 1);
ALTER TABLE "archetype_tracking" ADD CONSTRAINT "archetype_tracking_count" CHECK ("analysis_count" >= 1);
