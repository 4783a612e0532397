-- Of the words that a document has 2, 4 or 8 times, further lexemes: see OFTEN in src/database/collections.ts. An index that is built
-- anew is there several times sooner than one that follows the rows.
DROP INDEX "documents_search_idx";
UPDATE "documents" SET "search" = "search" || array_to_tsvector(ARRAY(
    SELECT chr(level) || lexeme FROM unnest("search") AS word (lexeme, positions, weights), generate_series(1, 3) AS level
    WHERE cardinality(positions) >= 2 ^ level AND octet_length(lexeme) < 2046));
CREATE INDEX "documents_search_idx" ON "documents" USING GIN ("search") WITH (gin_pending_list_limit = 64);
