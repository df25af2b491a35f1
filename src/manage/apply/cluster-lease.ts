/**
 * One apply on a cluster at a time, whatever machine it runs on: a Lease in the cluster, taken and
 * renewed by resourceVersion, so that of two who take it at once one fails.
 * https://kubernetes.io/docs/concepts/architecture/leases/
 */
import type { KubeClient, ResourceType } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/objects.ts'
import type { Clock } from '../../lib/clock.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'

export const LEASES: ResourceType = {
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
}
const PLACE = { namespace: 'kube-system', name: 'podrole-apply' }
export const LEASE_SECONDS = 60
const RENEW_MS = 15_000
/** Clocks of two machines may differ so much before one takes what the other still holds. */
const SKEW_MS = 30_000

export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string | null
    leaseDurationSeconds?: number
    acquireTime?: string
    renewTime?: string
    leaseTransitions?: number
  }
}

export interface HeldLease {
  /** False when it could not be renewed in time, or somebody else has it: nothing more is begun. */
  isHeld(): boolean
  release(): Promise<void>
}

/** Whether a lease may be taken: nobody has it, it ran out, or it is the holder's own. Pure. */
export function mayTake(lease: Lease, holder: string, nowMs: number): boolean {
  const { holderIdentity, leaseDurationSeconds = LEASE_SECONDS, renewTime } = lease.spec ?? {}
  if (!holderIdentity || holderIdentity === holder) return true
  const renewedMs = Date.parse(renewTime ?? '')
  return Number.isNaN(renewedMs) || renewedMs + leaseDurationSeconds * 1000 + SKEW_MS < nowMs
}

/**
 * Takes the cluster's lease and renews it until it is released.
 * @param holder by which it is known: an apply that goes on after a crash has the same as before
 * @throws PodroleError `ApplyUnderWay`; Kubernetes' own
 */
export async function takeLease(
  kube: KubeClient,
  holder: string,
  clock: Clock,
): Promise<HeldLease> {
  let lease = await take(kube, holder, clock)
  let renewedAt = performance.now()
  let isLost = false
  let renewing: Promise<void> = Promise.resolve()
  const renew = async (): Promise<void> => {
    const began = performance.now()
    try {
      lease = await kube.replace(LEASES, renewed(lease, holder, clock.now()))
      renewedAt = began
    } catch (error) {
      // Somebody else has written it; any other fault may pass before it runs out.
      if (codeOf(error) === 'Conflict' || codeOf(error) === 'NotFound') isLost = true
    }
  }
  const timer = setInterval(() => (renewing = renewing.then(renew)), RENEW_MS)
  timer.unref()
  const isHeld = (): boolean => !isLost && performance.now() - renewedAt < LEASE_SECONDS * 1000
  return {
    isHeld,
    release: async () => {
      clearInterval(timer)
      await renewing
      if (!isHeld()) return
      const free = { ...lease, spec: { ...lease.spec, holderIdentity: '' } }
      // Whoever could not give it back lets it run out.
      await kube.replace(LEASES, free).catch(() => undefined)
    },
  }
}

/** Those of several clusters, or none. @throws as `takeLease` */
export async function takeLeases(
  kubes: readonly KubeClient[],
  holder: string,
  clock: Clock,
): Promise<readonly HeldLease[]> {
  const held: HeldLease[] = []
  try {
    for (const kube of kubes) held.push(await takeLease(kube, holder, clock))
    return held
  } catch (error) {
    await Promise.all(held.map((lease) => lease.release()))
    throw error
  }
}

async function take(kube: KubeClient, holder: string, clock: Clock): Promise<Lease> {
  try {
    const found = await kube.get<Lease>(LEASES, PLACE)
    if (!mayTake(found, holder, clock.now())) throw underWay(found)
    const { leaseTransitions = 0 } = found.spec ?? {}
    const next = renewed(found, holder, clock.now())
    const acquireTime = next.spec?.renewTime ?? ''
    const spec = { ...next.spec, acquireTime, leaseTransitions: leaseTransitions + 1 }
    return await kube.replace(LEASES, { ...next, spec })
  } catch (error) {
    if (codeOf(error) === 'Conflict') throw underWay(undefined)
    if (codeOf(error) !== 'NotFound') throw error
  }
  try {
    return await kube.create(LEASES, renewed({ metadata: PLACE }, holder, clock.now()))
  } catch (error) {
    throw codeOf(error) === 'AlreadyExists' ? underWay(undefined) : error
  }
}

function renewed(lease: Lease, holder: string, nowMs: number): Lease {
  // Kubernetes' MicroTime has six digits.
  const renewTime = new Date(nowMs).toISOString().replace('Z', '000Z')
  return {
    ...lease,
    spec: { ...lease.spec, holderIdentity: holder, leaseDurationSeconds: LEASE_SECONDS, renewTime },
  }
}

function underWay(lease: Lease | undefined): PodroleError {
  const { holderIdentity = 'somebody', renewTime = 'just now' } = lease?.spec ?? {}
  return new PodroleError(
    'ApplyUnderWay',
    `another apply is under way on the cluster: ${holderIdentity}, seen ${renewTime}`,
    {
      hint: `Wait for its end; one that was killed is over ${LEASE_SECONDS + SKEW_MS / 1000} s after that, or at once with its own --resume.`,
    },
  )
}
