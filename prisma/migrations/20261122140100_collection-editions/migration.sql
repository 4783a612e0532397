-- AlterTable
ALTER TABLE "collections" ADD COLUMN     "edition" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "documents" DROP CONSTRAINT "documents_pkey",
ADD COLUMN     "edition" INTEGER NOT NULL DEFAULT 1,
ADD CONSTRAINT "documents_pkey" PRIMARY KEY ("collection_id", "edition", "document_id");

-- What Prisma's schema language cannot say.

UPDATE "documents" SET "search" = ts_delete("search", "collection_id" || ':' || "language")
    || array_to_tsvector(ARRAY["collection_id" || ':' || "edition" || ':' || "language"]);

-- Ranking reads the words of every match: kept in the row and uncompressed they are read three times as fast. Documents of
-- some pages fit; longer ones are stored aside as ever.
ALTER TABLE "documents" SET (toast_tuple_target = 8160);

-- New entries of the index are gathered in a list that every search has to read through. The usual 4 MB of it cost a search
-- several times what it takes; without a list an ingestion takes twice as long.
ALTER INDEX "documents_search_idx" SET (gin_pending_list_limit = 64);
