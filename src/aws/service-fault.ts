import { PodroleError } from '../lib/errors.ts'

/** What an AWS service, or a broker in its place, answered in place of a result. */
export class ServiceFault extends PodroleError {
  /** x-amzn-RequestId; undefined where there was no answer. */
  readonly requestId: string | undefined
  /** Whose fault the service says it is; `unknown` where there was no answer. */
  readonly fault: 'client' | 'server' | 'unknown'

  constructor(
    code: string,
    message: string,
    details: {
      readonly fault: 'client' | 'server' | 'unknown'
      readonly status?: number
      readonly requestId?: string | undefined
      readonly cause?: unknown
      readonly hint?: string | undefined
    },
  ) {
    super(code, message, {
      ...(details.status !== undefined && { status: details.status }),
      ...(details.cause !== undefined && { cause: details.cause }),
      ...(details.hint !== undefined && { hint: details.hint }),
    })
    this.name = 'ServiceFault'
    this.requestId = details.requestId
    this.fault = details.fault
  }
}
