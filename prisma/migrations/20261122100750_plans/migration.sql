-- CreateEnum
CREATE TYPE "PlanKind" AS ENUM ('ROUTINE', 'NUTRITION', 'MENU');

-- CreateEnum
CREATE TYPE "GenerationSource" AS ENUM ('FRESH', 'JOINED', 'RECENT', 'CACHED', 'FALLBACK');

-- CreateTable
CREATE TABLE "plans" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "user_id" UUID NOT NULL,
    "kind" "PlanKind" NOT NULL,
    "archetype" "Archetype" NOT NULL,
    "analysis_id" UUID NOT NULL,
    "analysis_source" "GenerationSource" NOT NULL,
    "days" INTEGER NOT NULL,
    "title" TEXT NOT NULL,
    "summary" TEXT NOT NULL,
    "items" JSONB NOT NULL,
    "metadata" JSONB NOT NULL,
    "date" DATE NOT NULL,
    "generation_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "plans_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "preferences" (
    "user_id" UUID NOT NULL,
    "diet_type" TEXT,
    "dietary_restrictions" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "disliked_ingredients" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "recipe_type" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "macro_protein" INTEGER,
    "macro_carbs" INTEGER,
    "macro_fat" INTEGER,
    "calorie_goal" INTEGER,
    "meal_times" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "appliances" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "prep_complexity" INTEGER,
    "servings_per_meal" INTEGER NOT NULL DEFAULT 1,
    "snacks_per_day" INTEGER NOT NULL DEFAULT 0,
    "version" INTEGER NOT NULL DEFAULT 1,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "preferences_pkey" PRIMARY KEY ("user_id")
);

-- CreateTable
CREATE TABLE "outbox" (
    "id" BIGSERIAL NOT NULL,
    "topic" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "claimed_until" TIMESTAMPTZ(3),
    "published_at" TIMESTAMPTZ(3),

    CONSTRAINT "outbox_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "plans_user_id_kind_archetype_created_at_id_idx" ON "plans"("user_id", "kind", "archetype", "created_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "plans_user_id_created_at_id_idx" ON "plans"("user_id", "created_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "plans_analysis_id_created_at_idx" ON "plans"("analysis_id", "created_at" DESC);

-- CreateIndex
CREATE UNIQUE INDEX "plans_generation_id_key" ON "plans"("generation_id");

-- CreateIndex
CREATE UNIQUE INDEX "outbox_key_key" ON "outbox"("key");

-- CreateIndex
CREATE INDEX "outbox_published_at_id_idx" ON "outbox"("published_at", "id");

-- AddForeignKey
ALTER TABLE "plans" ADD CONSTRAINT "plans_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plans" ADD CONSTRAINT "plans_analysis_id_fkey" FOREIGN KEY ("analysis_id") REFERENCES "analyses"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "preferences" ADD CONSTRAINT "preferences_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;
