import type { SignatureClaims } from '../../../aws/sigv4-verify.ts'
import type { KeyRecord } from '../records.ts'
import type { World } from '../world.ts'

/** How exactly the time is kept: more requests for one service within it write nothing. */
const EXACT_TO_MS = 60_000

/**
 * Keeps when a user's access key signed a request, for which service and where.
 * Source: IAM API Reference, AccessKeyLastUsed.
 */
export function recordKeyUse(world: World, key: KeyRecord, signature: SignatureClaims): void {
  if (key.session !== undefined || key.temporary !== undefined) return
  const { service, region } = signature
  const atMs = world.clock.now()
  const { lastUse } = key
  const isKept =
    lastUse?.service === service &&
    lastUse.region === region &&
    Math.abs(atMs - lastUse.atMs) < EXACT_TO_MS
  if (isKept) return
  world.tables.keys.set(key.accessKeyId, { ...key, lastUse: { atMs, service, region } })
}
