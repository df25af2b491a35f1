/** What an error may carry besides its code and message. */
export interface ErrorDetails {
  /** What the reader can do next, one sentence. */
  readonly hint?: string
  readonly cause?: unknown
  /** The HTTP status that a server answers with when this error reaches it. */
  readonly status?: number
}

/**
 * The one base class of podrole's faults. `code` is stable and documented; the message quotes the
 * value and says what was wanted. Verdicts (a denied request, a finding) are returned, not thrown.
 */
export class PodroleError extends Error {
  readonly code: string
  readonly hint: string | undefined
  readonly status: number | undefined

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'PodroleError'
    this.code = code
    this.hint = details.hint
    this.status = details.status
  }
}

/** The message of anything that was thrown, without its stack. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** The `code` of a thrown error (ours, Node's or Bun's), or undefined. */
export function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined
  const code: unknown = Reflect.get(thrown, 'code')
  return typeof code === 'string' ? code : undefined
}
