/** Loads a signer as an API server does: one connection, several calls at once. A process of its own. */
import { createSignerClient } from '../src/issuer/signer/signer-client.ts'
import type { LoadResult } from './load.ts'

export interface SignerJob {
  readonly socket: string
  /** Second segments; the calls go through them in turn. */
  readonly claims: readonly string[]
  readonly callsAtOnce: number
  readonly seconds: number
}

async function run({ socket, claims, callsAtOnce, seconds }: SignerJob): Promise<LoadResult> {
  const client = createSignerClient(socket)
  await client.metadata()
  const times: number[] = []
  const startedAt = performance.now()
  const endAt = startedAt + seconds * 1000
  let next = 0
  const callOn = async (): Promise<void> => {
    for (let now = performance.now(); now < endAt;) {
      const { signature } = await client.sign(claims[next++ % claims.length] ?? '')
      if (signature.length !== 86) throw new Error(`no signature of ES256: ${signature}`)
      const answeredAt = performance.now()
      times.push(answeredAt - now)
      now = answeredAt
    }
  }
  await Promise.all(Array.from({ length: callsAtOnce }, callOn))
  const elapsed = (performance.now() - startedAt) / 1000
  client.close()
  times.sort((a, b) => a - b)
  return {
    requests: times.length,
    perSecond: times.length / elapsed,
    p50Us: (times[times.length >> 1] ?? 0) * 1000,
  }
}

process.on('message', (job: SignerJob) => {
  run(job).then(
    (result) => process.send?.(result),
    (error: unknown) =>
      process.send?.({ requests: 0, perSecond: 0, p50Us: 0, failure: String(error) }),
  )
})
