import type { Handler } from '../handler.ts'

/** Buckets in seconds of what is answered at once from memory and may wait for somebody else. */
export const ANSWER_BUCKETS: readonly number[] = [
  0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]

/** Tells of every answer how long it took, in seconds, and its HTTP status; 500 for a throw. */
export function measured(
  handler: Handler,
  tell: (status: number, seconds: number, request: Request) => void,
): Handler {
  return async (request, client) => {
    const since = performance.now()
    let status = 500
    try {
      const response = await handler(request, client)
      status = response.status
      return response
    } finally {
      tell(status, secondsSince(since), request)
    }
  }
}

/** @param since of `performance.now()` */
export const secondsSince = (since: number): number => (performance.now() - since) / 1000
