import type { FetchedPoint } from './account-provider.ts'

/** What stands in an export, in its order; `bytes` is how far the file has been read. */
export type ExportRecord =
  | { type: 'points'; points: FetchedPoint[]; bytes: number }
  /** `line` counts from 1. */
  | { type: 'unreadable'; line: number; reason: string; bytes: number }

/** The file is not what it was said to be. The message says where, and is meant for whoever gave it. */
export class UnreadableExportError extends Error {
  override readonly name = 'UnreadableExportError'
}
