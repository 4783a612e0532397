-- CreateTable
CREATE TABLE "automatic_documents" (
    "hash" TEXT NOT NULL,
    "document" TEXT NOT NULL,
    "used_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "automatic_documents_pkey" PRIMARY KEY ("hash")
);

-- CreateIndex
CREATE INDEX "automatic_documents_used_at_idx" ON "automatic_documents"("used_at");
