import type { Incoming } from '../request.ts'
import { halfAnswer } from './half-answer.ts'
import type { NamedOperation } from './operation.ts'
import { EVENTUAL_SERVICES } from './rules.ts'
import { orderedFault } from './wordings.ts'

/**
 * Carries a call out with the faults that were ordered for it: a delay first, then a refusal in the
 * service's own words in place of the operation, or its answer cut in half; with `eventual` in
 * force it sees the tables as they were.
 */
export async function answerWithFaults(
  incoming: Incoming,
  named: NamedOperation,
  run: (incoming: Incoming) => Response | Promise<Response>,
): Promise<Response> {
  const { world, request } = incoming
  const { board, tables } = world.faults
  const { delayMs, refusal, halfAnswer: half } = board.take(named.service, named.operation)
  if (delayMs > 0) await wait(delayMs, request.signal)
  const lagging = EVENTUAL_SERVICES.some((service) => board.eventualMs(service) > 0)
  const response = await run({
    ...incoming,
    ...(lagging && { world: { ...world, tables: tables.tablesFor(named) } }),
    ...(refusal !== undefined && { ordered: orderedFault(named.service, refusal) }),
  })
  return half ? halfAnswer(response) : response
}

/** Waits, or less where the caller hangs up. */
function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end, { once: true })
  })
}
