-- CreateEnum
CREATE TYPE "InterviewStatus" AS ENUM ('ENHANCING', 'READY', 'IN_PROGRESS', 'COMPLETED', 'FAILED');

-- CreateEnum
CREATE TYPE "InterviewEnhancer" AS ENUM ('GATEWAY', 'EXTERNAL');

-- CreateTable
CREATE TABLE "interviews" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "user_id" UUID NOT NULL,
    "topic" TEXT NOT NULL,
    "context" TEXT,
    "collection" TEXT,
    "enhancer" "InterviewEnhancer" NOT NULL,
    "status" "InterviewStatus" NOT NULL,
    "status_version" INTEGER NOT NULL,
    "status_changed_at" TIMESTAMPTZ(3) NOT NULL,
    "failure_reason" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "interviews_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "interview_feeds" (
    "user_id" UUID NOT NULL,
    "position" INTEGER NOT NULL,

    CONSTRAINT "interview_feeds_pkey" PRIMARY KEY ("user_id")
);

-- CreateTable
CREATE TABLE "interview_status_changes" (
    "interview_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "user_id" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "status" "InterviewStatus" NOT NULL,
    "reason" TEXT,
    "changed_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "interview_status_changes_pkey" PRIMARY KEY ("interview_id","version")
);

-- CreateTable
CREATE TABLE "enhanced_prompts" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "interview_id" UUID NOT NULL,
    "text" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "metadata" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "enhanced_prompts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "prompt_deliveries" (
    "interview_id" UUID NOT NULL,
    "message_id" TEXT NOT NULL,
    "applied_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "prompt_deliveries_pkey" PRIMARY KEY ("interview_id","message_id")
);

-- CreateIndex
CREATE INDEX "interviews_user_id_created_at_id_idx" ON "interviews"("user_id", "created_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "interviews_user_id_status_created_at_id_idx" ON "interviews"("user_id", "status", "created_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "interviews_status_status_changed_at_idx" ON "interviews"("status", "status_changed_at");

-- CreateIndex
CREATE UNIQUE INDEX "interview_status_changes_user_id_position_key" ON "interview_status_changes"("user_id", "position");

-- CreateIndex
CREATE UNIQUE INDEX "enhanced_prompts_interview_id_key" ON "enhanced_prompts"("interview_id");

-- AddForeignKey
ALTER TABLE "interviews" ADD CONSTRAINT "interviews_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "interview_feeds" ADD CONSTRAINT "interview_feeds_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "interview_status_changes" ADD CONSTRAINT "interview_status_changes_interview_id_fkey" FOREIGN KEY ("interview_id") REFERENCES "interviews"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "enhanced_prompts" ADD CONSTRAINT "enhanced_prompts_interview_id_fkey" FOREIGN KEY ("interview_id") REFERENCES "interviews"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "prompt_deliveries" ADD CONSTRAINT "prompt_deliveries_interview_id_fkey" FOREIGN KEY ("interview_id") REFERENCES "interviews"("id") ON DELETE CASCADE ON UPDATE CASCADE;
