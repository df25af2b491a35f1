import { PodroleError } from '../../../lib/errors.ts'

/** Further members of an error answer: `Resource`, `BucketName`, `clusterName`. */
export type FaultMembers = Readonly<Record<string, string>>

/**
 * An answer that AWS gives in place of a result: its code, HTTP status and text are the wire's.
 * What it says never holds a credential or a token.
 */
export class AwsFault extends PodroleError {
  readonly httpStatus: number
  readonly members: FaultMembers
  /** Of the answer, where a service says something there. */
  readonly headers: FaultMembers
  /** True where the decision log has it already. */
  readonly logged: boolean

  constructor(
    code: string,
    message: string,
    details: {
      readonly status?: number
      readonly members?: FaultMembers
      readonly headers?: FaultMembers
      readonly logged?: boolean
    } = {},
  ) {
    super(code, message, { status: details.status ?? 400 })
    this.name = 'AwsFault'
    this.httpStatus = details.status ?? 400
    this.members = details.members ?? {}
    this.headers = details.headers ?? {}
    this.logged = details.logged ?? false
  }
}

/** What a server says when it failed by its own fault; nothing of the fault is told. */
export function internalFault(code: string): AwsFault {
  return new AwsFault(code, 'We encountered an internal error. Please try again.', { status: 500 })
}
