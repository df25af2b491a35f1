import { PodroleError } from '../../../lib/errors.ts'
import { parsePolicy } from '../../../iam/policy.ts'
import type { PolicyDocument, PolicyKind } from '../../../iam/policy-document.ts'
import { AwsFault } from '../wire/fault.ts'

export const noSuchEntity = (message: string): AwsFault =>
  new AwsFault('NoSuchEntity', message, { status: 404 })

export const alreadyExists = (message: string): AwsFault =>
  new AwsFault('EntityAlreadyExists', message, { status: 409 })

export const limitExceeded = (message: string): AwsFault =>
  new AwsFault('LimitExceeded', message, { status: 409 })

export const deleteConflict = (message: string): AwsFault =>
  new AwsFault('DeleteConflict', message, { status: 409 })

export const invalidInput = (message: string): AwsFault => new AwsFault('InvalidInput', message)

export const malformedPolicy = (message: string): AwsFault =>
  new AwsFault('MalformedPolicyDocument', message)

/**
 * A policy document of that kind.
 * @throws AwsFault `MalformedPolicyDocument` with IAM's text
 */
export function readDocument(text: string, kind: PolicyKind): PolicyDocument {
  try {
    return parsePolicy(text, kind)
  } catch (error) {
    if (error instanceof PodroleError) throw malformedPolicy(error.message)
    throw error
  }
}

/** Documents come back percent-encoded (RFC 3986). */
export const encodeDocument = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.codePointAt(0)?.toString(16).toUpperCase()}`,
  )

/** White space is not counted in the sizes of permission policies. */
export const countedLength = (text: string): number => text.replaceAll(/\s/g, '').length
