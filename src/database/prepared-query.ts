import pg from 'pg'

/** Of pg's connection, what its types leave out. */
export interface Connection {
  readonly stream: { cork(): void; uncork(): void; destroy(): void }
  /** Texts by name: of those that the server has prepared, and of those that it was sent. */
  readonly parsedStatements: Record<string, string | undefined>
  readonly submittedNamedStatements: Record<string, string | undefined>
  parse(statement: { name: string; text: string }): void
  bind(values: { statement: string; values: readonly (string | null)[] }): void
  describe(what: { type: 'P'; name: string }): void
  execute(what: object): void
  sync(): void
  sendCopyFail(reason: string): void
}

interface Column {
  readonly name: string
  readonly dataTypeID: number
}

type ParseText = (text: string) => unknown
type MakeRow<Row> = (values: readonly (string | null)[]) => Row
export interface ColumnTypes {
  getTypeParser(dataTypeID: number, format: 'text'): ParseText
}

/** What each connection knows of the rows of the statements that it has prepared. */
const rowMakers = new WeakMap<Connection, Map<string, MakeRow<unknown>>>()
const asItIs = pg.types.getTypeParser(pg.types.builtins.TEXT)

/**
 * A prepared statement, and its rows. The driver's own has the server describe the columns each time, and makes each row of a copy that
 * it fills column by column: for a page of rows that is most of what this process does. Here a connection is told the columns once,
 * when it prepares the statement, and rows are made by code for these columns. (That the columns stay what they are, the
 * server sees to: a prepared statement whose columns change is an error.)
 */
export class PreparedQuery<Row> {
  readonly name: string
  readonly text: string
  readonly callback: (error: unknown, rows: Row[]) => void
  readonly #values: readonly (string | null)[]
  readonly #types: ColumnTypes
  readonly #rows: Row[] = []
  #connection: Connection | undefined
  #makeRow: MakeRow<Row> | undefined
  #failure: { error: unknown } | undefined

  /** @param options.callback called once */
  constructor(
    statement: { readonly name: string; readonly text: string },
    options: {
      values: readonly (string | null)[]
      types: ColumnTypes
      callback: (error: unknown, rows: Row[]) => void
    },
  ) {
    this.name = statement.name
    this.text = statement.text
    this.#values = options.values
    this.#types = options.types
    this.callback = options.callback
  }

  /** @returns why it cannot be sent */
  submit(connection: Connection): Error | null {
    const { name, text } = this
    const known = connection.parsedStatements[name] ?? connection.submittedNamedStatements[name]
    if (known !== undefined && known !== text)
      return new Error(`two statements have the name ${name}, which is another one's`)
    this.#connection = connection
    this.#makeRow = rowMakers.get(connection)?.get(name) as MakeRow<Row> | undefined
    connection.stream.cork()
    try {
      if (known === undefined) {
        connection.parse({ name, text })
        connection.submittedNamedStatements[name] = text
      }
      connection.bind({ statement: name, values: this.#values })
      if (!this.#makeRow) connection.describe({ type: 'P', name: '' })
      connection.execute({})
      connection.sync()
    } finally {
      connection.stream.uncork()
    }
    return null
  }

  handleRowDescription({ fields }: { fields: readonly Column[] }): void {
    this.#makeRow = compileRow(fields, this.#types)
    if (!this.#connection) return
    const makers = rowMakers.get(this.#connection) ?? new Map<string, MakeRow<unknown>>()
    rowMakers.set(this.#connection, makers.set(this.name, this.#makeRow))
  }

  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    if (this.#failure) return
    try {
      if (!this.#makeRow) throw new Error('rows came without a description')
      this.#rows.push(this.#makeRow(fields))
    } catch (error) {
      this.#failure = { error }
    }
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    if (this.#failure) this.callback(this.#failure.error, [])
    else this.callback(null, this.#rows)
  }

  handleError(error: unknown): void {
    this.callback(error, [])
  }

  handleEmptyQuery(): void {}

  handlePortalSuspended(): void {}

  handleCopyInResponse(connection: Connection): void {
    connection.sendCopyFail('nothing is copied here')
  }

  handleCopyData(): void {}
}

/** Code that makes an object of one shape, whose texts are taken as they are. */
function compileRow<Row>(columns: readonly Column[], types: ColumnTypes): MakeRow<Row> {
  const parsers = columns.map(({ dataTypeID }) => types.getTypeParser(dataTypeID, 'text'))
  const fields = columns.map(({ name }, index) => {
    const value = `values[${index}]`
    const parsed =
      parsers[index] === asItIs ? value : `${value} === null ? null : parsers[${index}](${value})`
    return `${JSON.stringify(name)}: ${parsed}`
  })
  // Names of columns are of our own statements, and quoted.
  return new Function('parsers', `return values => ({ ${fields.join(', ')} })`)(parsers) as MakeRow<Row>
}
