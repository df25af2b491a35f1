import { codeOf } from '../lib/errors.ts'
import { type Patience, retryWhile } from '../lib/waiting.ts'

/** How long one call is tried again when AWS says that there are too many. */
const AWS_PATIENCE: Patience = { totalMs: 30_000, firstDelayMs: 250, maxDelayMs: 4000 }

/** Whether AWS asks for fewer calls; the SDK has tried three times by then. */
const isThrottled = (thrown: unknown): boolean =>
  /^(?:Throttling|ThrottledException|TooManyRequests|RequestLimitExceeded|Throttled)/.test(
    codeOf(thrown) ?? '',
  )

/** Does a call again, later and later, while AWS says that there are too many: it did nothing then. */
export const outlastThrottling = <T>(call: () => Promise<T>): Promise<T> =>
  retryWhile(call, isThrottled, AWS_PATIENCE)
