-- CreateEnum
CREATE TYPE "MessageRole" AS ENUM ('USER', 'ASSISTANT', 'SYSTEM', 'TOOL');

-- AlterTable
ALTER TABLE "leases" ADD COLUMN     "text" TEXT;

-- CreateTable
CREATE TABLE "conversations" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "user_id" UUID NOT NULL,
    "session_id" TEXT NOT NULL,
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "message_count" INTEGER NOT NULL DEFAULT 0,
    "version" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "conversations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "messages" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "conversation_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "role" "MessageRole" NOT NULL,
    "content" TEXT NOT NULL,
    "sent_as" TEXT NOT NULL,
    "save_id" UUID NOT NULL,
    "reply_to" UUID,
    "generation_id" UUID,
    "sources" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "messages_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "memory_facts" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "user_id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "slot" TEXT,
    "content" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "said_at" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "superseded_at" TIMESTAMPTZ(3),
    "superseded_by" UUID,

    CONSTRAINT "memory_facts_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "conversations_user_id_created_at_id_idx" ON "conversations"("user_id", "created_at" DESC, "id" DESC);

-- CreateIndex
CREATE UNIQUE INDEX "conversations_user_id_session_id_key" ON "conversations"("user_id", "session_id");

-- CreateIndex
CREATE UNIQUE INDEX "messages_conversation_id_seq_key" ON "messages"("conversation_id", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "messages_conversation_id_sent_as_key" ON "messages"("conversation_id", "sent_as");

-- CreateIndex
CREATE INDEX "memory_facts_user_id_created_at_id_idx" ON "memory_facts"("user_id", "created_at", "id");

-- AddForeignKey
ALTER TABLE "conversations" ADD CONSTRAINT "conversations_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "messages" ADD CONSTRAINT "messages_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "memory_facts" ADD CONSTRAINT "memory_facts_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What Prisma's schema language cannot say.

-- A message has one reply; most messages are none, and are not in it.
CREATE UNIQUE INDEX "messages_reply_to_key" ON "messages"("reply_to") WHERE "reply_to" IS NOT NULL;
-- A fact is current once, and of a slot one fact is. History may repeat.
CREATE UNIQUE INDEX "memory_facts_current_hash_key" ON "memory_facts"("user_id", "hash") WHERE "superseded_at" IS NULL;
CREATE UNIQUE INDEX "memory_facts_current_slot_key" ON "memory_facts"("user_id", "slot") WHERE "superseded_at" IS NULL AND "slot" IS NOT NULL;

ALTER TABLE "messages" ADD CONSTRAINT "messages_seq_positive" CHECK ("seq" >= 1);
ALTER TABLE "conversations" ADD CONSTRAINT "conversations_session_length" CHECK (char_length("session_id") BETWEEN 1 AND 128);
