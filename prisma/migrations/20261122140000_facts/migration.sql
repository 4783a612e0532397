-- CreateTable
CREATE TABLE "fact_categories" (
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL,

    CONSTRAINT "fact_categories_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "collective_facts" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "hash" BYTEA NOT NULL,
    "content" TEXT NOT NULL,
    "category" TEXT NOT NULL,
    "source_count" INTEGER NOT NULL DEFAULT 0,
    "promoted_at" TIMESTAMPTZ(3),
    "first_seen_at" TIMESTAMPTZ(3) NOT NULL,
    "last_confirmed_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "collective_facts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "fact_sources" (
    "fact_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "contributed_at" TIMESTAMPTZ(3) NOT NULL,
    "counted_by" xid8 NOT NULL DEFAULT pg_current_xact_id(),

    CONSTRAINT "fact_sources_pkey" PRIMARY KEY ("fact_id","user_id")
);

-- CreateTable
CREATE TABLE "fact_promotions" (
    "position" INTEGER NOT NULL,
    "fact_id" UUID NOT NULL,
    "category" TEXT NOT NULL,

    CONSTRAINT "fact_promotions_pkey" PRIMARY KEY ("position")
);

-- CreateTable
CREATE TABLE "fact_feed" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "position" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "fact_feed_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "collective_facts_last_confirmed_at_id_idx" ON "collective_facts"("last_confirmed_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "collective_facts_category_last_confirmed_at_id_idx" ON "collective_facts"("category", "last_confirmed_at" DESC, "id" DESC);

-- CreateIndex
CREATE UNIQUE INDEX "collective_facts_hash_key" ON "collective_facts"("hash");

-- CreateIndex
CREATE INDEX "fact_sources_fact_id_contributed_at_idx" ON "fact_sources"("fact_id", "contributed_at" DESC);

-- CreateIndex
CREATE INDEX "fact_sources_user_id_idx" ON "fact_sources"("user_id");

-- CreateIndex
CREATE INDEX "fact_promotions_category_position_idx" ON "fact_promotions"("category", "position");

-- CreateIndex
CREATE UNIQUE INDEX "fact_promotions_fact_id_key" ON "fact_promotions"("fact_id");

-- AddForeignKey
ALTER TABLE "collective_facts" ADD CONSTRAINT "collective_facts_category_fkey" FOREIGN KEY ("category") REFERENCES "fact_categories"("name") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "fact_sources" ADD CONSTRAINT "fact_sources_fact_id_fkey" FOREIGN KEY ("fact_id") REFERENCES "collective_facts"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "fact_sources" ADD CONSTRAINT "fact_sources_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "fact_promotions" ADD CONSTRAINT "fact_promotions_fact_id_fkey" FOREIGN KEY ("fact_id") REFERENCES "collective_facts"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What Prisma's schema language cannot say.

-- collectiveFacts(promoted: true), alone and of a category: few facts of many are promoted.
CREATE INDEX "collective_facts_promoted_idx" ON "collective_facts"("last_confirmed_at" DESC, "id" DESC) WHERE "promoted_at" IS NOT NULL;
CREATE INDEX "collective_facts_category_promoted_idx" ON "collective_facts"("category", "last_confirmed_at" DESC, "id" DESC) WHERE "promoted_at" IS NOT NULL;

ALTER TABLE "collective_facts" ADD CONSTRAINT "collective_facts_source_count" CHECK ("source_count" >= 0);
ALTER TABLE "collective_facts" ADD CONSTRAINT "collective_facts_hash_length" CHECK (octet_length("hash") = 32);
ALTER TABLE "fact_feed" ADD CONSTRAINT "fact_feed_one_row" CHECK ("id" = 1);
INSERT INTO "fact_feed" DEFAULT VALUES;

INSERT INTO "fact_categories" ("name", "description") VALUES
    ('general', 'What fits nowhere else'),
    ('nutrition', 'Eating and drinking'),
    ('training', 'Exercise and performance'),
    ('recovery', 'Rest, injuries and coming back'),
    ('sleep', 'Sleep and what disturbs it'),
    ('mind', 'Mood, stress and motivation'),
    ('habits', 'Routines, and what keeps them'),
    ('work', 'Work, focus and study'),
    ('health', 'Health and how it is measured');
