import { codeOf } from '../../lib/errors.ts'
import type { Patience } from '../../lib/waiting.ts'

/** How long one call is tried again when AWS says that there are too many. */
export const AWS_PATIENCE: Patience = { totalMs: 30_000, firstDelayMs: 250, maxDelayMs: 4000 }

/** Whether AWS asks for fewer calls; the SDK has tried three times then. */
export const isThrottled = (thrown: unknown): boolean =>
  /^(?:Throttling|ThrottledException|TooManyRequests|RequestLimitExceeded|Throttled)/.test(
    codeOf(thrown) ?? '',
  )
