-- CreateTable
CREATE TABLE "collection_vectors" (
    "collection_id" UUID NOT NULL,
    "edition" INTEGER NOT NULL,
    "model" TEXT NOT NULL,
    "dimensions" INTEGER,
    "version" INTEGER NOT NULL DEFAULT 0,
    "claimed_until" TIMESTAMPTZ(3),

    CONSTRAINT "collection_vectors_pkey" PRIMARY KEY ("collection_id")
);
