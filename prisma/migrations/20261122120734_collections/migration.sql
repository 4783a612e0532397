-- CreateTable
CREATE TABLE "collections" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 0,
    "document_count" INTEGER NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "collections_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "documents" (
    "collection_id" UUID NOT NULL,
    "document_id" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "metadata" JSONB NOT NULL,
    "language" TEXT NOT NULL,
    "search" tsvector NOT NULL,

    CONSTRAINT "documents_pkey" PRIMARY KEY ("collection_id","document_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "collections_name_key" ON "collections"("name");

-- CreateIndex
CREATE INDEX "documents_search_idx" ON "documents" USING GIN ("search");

-- AddForeignKey
ALTER TABLE "documents" ADD CONSTRAINT "documents_collection_id_fkey" FOREIGN KEY ("collection_id") REFERENCES "collections"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What Prisma's schema language cannot say.

ALTER TABLE "documents" ADD CONSTRAINT "documents_language_known" CHECK ("language" IN ('english', 'italian'));
ALTER TABLE "collections" ADD CONSTRAINT "collections_counts" CHECK ("version" >= 0 AND "document_count" >= 0);
