/** A page of a list ordered by an instant and an id: what comes after the row that the cursor names. */
export interface KeysetPage {
  after: { at: Date; id: string } | undefined
  limit: number
}
