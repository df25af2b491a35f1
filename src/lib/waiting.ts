import { setTimeout as sleep } from 'node:timers/promises'

/** How long one waits for a service that shows writes late, and how often it is asked. */
export interface Patience {
  readonly totalMs: number
  readonly firstDelayMs: number
  readonly maxDelayMs: number
}

/** IAM shows a change to all of its reads within seconds. */
export const IAM_PATIENCE: Patience = { totalMs: 20_000, firstDelayMs: 200, maxDelayMs: 2000 }

/** The part of a delay that is waited, from 0 to 1. */
type Share = () => number

/**
 * Asks until `isDone` holds of the answer, with delays that double; the last answer when the time
 * is over.
 */
export async function askUntil<T>(
  ask: () => Promise<T>,
  isDone: (answer: T) => boolean,
  patience: Patience,
  share: Share = () => 1,
): Promise<T> {
  const until = performance.now() + patience.totalMs
  let delay = patience.firstDelayMs
  for (;;) {
    const answer = await ask()
    if (isDone(answer) || performance.now() + delay > until) return answer
    await sleep(delay * share())
    delay = Math.min(patience.maxDelayMs, delay * 2)
  }
}

/** Those who were refused at once do not come back at once. */
const halfToWhole: Share = () => 0.5 + Math.random() / 2

/**
 * Does something again as long as it throws what is `transient`, with delays that double, of each
 * of which half or more is waited.
 */
export async function retryWhile<T>(
  act: () => Promise<T>,
  isTransient: (thrown: unknown) => boolean,
  patience: Patience,
  share: Share = halfToWhole,
): Promise<T> {
  const outcome = await askUntil(
    () =>
      act().then(
        (value) => ({ value }),
        (thrown: unknown) => ({ thrown }),
      ),
    (one) => !('thrown' in one) || !isTransient(one.thrown),
    patience,
    share,
  )
  if ('thrown' in outcome) throw outcome.thrown
  return outcome.value
}
