import { GraphQLError } from 'graphql'
import type { GraphQLParams } from 'graphql-yoga'
import { namesOtherCharset } from './media-type.ts'
import { badRequest } from './operation/refused.ts'

/**
 * A form of a foreign page can send other types without the browser asking first. And what is said to be in another charset, or
 * compressed, would be read as something that nobody has written.
 * @throws Refused
 */
export function checkBodyType(headers: Headers): void {
  const [type, ...parameters] = (headers.get('content-type') ?? '').split(';')
  if (type?.trim().toLowerCase() !== 'application/json')
    throw badRequest('Send the operation as application/json.', { status: 415 })
  if (parameters.some(namesOtherCharset))
    throw badRequest('Send the operation in UTF-8: no other charset is read.', { status: 415 })
  const encoding = headers.get('content-encoding') ?? ''
  if (encoding !== '' && encoding.trim().toLowerCase() !== 'identity')
    throw badRequest('Send the body as it is: no Content-Encoding is taken.', {
      status: 415,
      headers: { 'accept-encoding': 'identity' },
    })
}

/** Whatever it holds; whether that is an operation is looked at where every transport has it looked at. @throws Refused */
export async function readJson(request: Request): Promise<GraphQLParams> {
  try {
    return await request.json()
  } catch (error) {
    // As longer than a body may be.
    if (error instanceof GraphQLError) throw error
    if (request.signal.aborted) throw request.signal.reason
    throw badRequest('Expected the operation as JSON in the body.')
  }
}
