import { randomBytes } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createTransport } from 'nodemailer'
import { makeFolder } from '../shared/make-folder.ts'
import { assertOutsideTransaction } from '../shared/transaction-scope.ts'

export interface Mail {
  to: string
  subject: string
  text: string
}

export interface Mailer {
  /** @throws when the server has not taken it; it may be sent again then. */
  send(mail: Mail): Promise<void>
  close(): void
}

/** A server that does not answer must not hold a worker for longer. */
const TIMEOUTS = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 30_000 }
const FROM = 'Tributary <no-reply@tributary.example>'

/** @param url `smtp://user:password@host:port`, or `smtps://`; `?from=` says whom mails come from. */
export function createSmtpMailer(url: string): Mailer {
  const from = new URL(url).searchParams.get('from') ?? FROM
  const address = new URL(url)
  address.search = ''
  const transport = createTransport({ url: address.href, ...TIMEOUTS }, { from })
  return {
    async send(mail) {
      assertOutsideTransaction('sending a mail')
      await transport.sendMail(mail)
    },
    close: () => transport.close(),
  }
}

/** Writes each mail as a file of its own, which appears whole: for trying things out, and for tests. */
export function createFileMailer(folder: string): Mailer {
  const transport = createTransport(
    { streamTransport: true, buffer: true, newline: 'windows' },
    { from: FROM },
  )
  return {
    async send(mail) {
      assertOutsideTransaction('writing a mail')
      const { message } = await transport.sendMail(mail)
      await makeFolder(folder)
      const name = `${new Date().toISOString().replaceAll(/[:.]/g, '-')}-${randomBytes(4).toString('hex')}`
      const draft = join(folder, `.${name}`)
      await writeFile(draft, message as Buffer, { mode: 0o600 })
      await rename(draft, join(folder, `${name}.eml`))
    },
    close: () => {},
  }
}
