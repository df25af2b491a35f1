import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KubeClient } from '../../kube/client.ts'
import { createKubeClient } from '../../kube/transport.ts'
import { createCertificateAuthority } from '../../lib/certificates.ts'
import { ManualClock, systemClock } from '../../lib/clock.ts'
import { codeOf } from '../../lib/errors.ts'
import { silentLog } from '../../lib/log.ts'
import { type ServedCluster, startCluster } from '../../sandbox/cluster/cluster.ts'
import { State } from '../../sandbox/state.ts'
import { emptyState } from '../plan/in-memory.suite.ts'
import type { PlanAction, PlanStep } from '../plan/plan.ts'
import { applyPlan, openDesk } from './apply-plan.ts'
import { mayTake, takeLease } from './cluster-lease.ts'
import { inMemoryPort, NO_PATIENCE } from './in-memory-port.suite.ts'

let folder: string
let served: ServedCluster
let kube: KubeClient
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'podrole-apply-'))
  const authority = await createCertificateAuthority({ commonName: 'test', clock: systemClock })
  served = await startCluster({
    name: 'blue',
    issuer: 'https://blue.issuer.sandbox',
    state: new State(),
    clock: systemClock,
    log: silentLog,
    authority,
  })
  kube = createKubeClient({
    server: served.server,
    ca: served.certificateAuthority,
    token: () => served.adminToken,
  })
})
afterAll(async () => {
  await served.stop()
  rmSync(folder, { recursive: true })
})

const stepOf = (action: PlanAction, id: string, ...dependsOn: readonly string[]): PlanStep => ({
  id,
  action,
  dependsOn,
  risk: { level: 'none' },
  inverse: [],
  needs: [],
})
const state = emptyState('one')
const cluster = state.clusters[0]?.arn ?? ''
const STEPS = [
  stepOf({ cluster, do: 'create-namespace', namespace: 'a' }, 'a'),
  stepOf({ cluster, do: 'create-namespace', namespace: 'b' }, 'b', 'a'),
]
const request = {
  command: 'apply' as const,
  accountId: '1',
  clusters: [cluster],
  steps: STEPS,
  resume: false,
}

describe('two applies', () => {
  test('on one machine exclude each other', async () => {
    const desk = await openDesk(folder, '7')
    expect(await openDesk(folder, '7').catch(codeOf)).toBe('ApplyUnderWay')
    const other = await openDesk(folder, '8')
    other.release()
    desk.release()
    const again = await openDesk(folder, '7')
    again.release()
  })

  test('on two machines exclude each other; one that was killed goes on by its own name', async () => {
    const clock = new ManualClock(Date.now())
    const taken = await Promise.all(
      ['one', 'two', 'three'].map((holder) => takeLease(kube, holder, clock).catch(codeOf)),
    )
    const held = taken.filter((one) => typeof one === 'object')
    expect(held).toHaveLength(1)
    expect(taken.filter((one) => one === 'ApplyUnderWay')).toHaveLength(2)
    const winner = ['one', 'two', 'three'][taken.findIndex((one) => typeof one === 'object')] ?? ''
    const resumed = await takeLease(kube, winner, clock)
    expect(resumed.isHeld()).toBe(true)
    clock.advance(91_000)
    const late = await takeLease(kube, 'late', clock)
    expect(await takeLease(kube, 'later', clock).catch(codeOf)).toBe('ApplyUnderWay')
    // Neither gives back what is not its own any more.
    await resumed.release()
    await held[0]?.release()
    expect(await takeLease(kube, 'later', clock).catch(codeOf)).toBe('ApplyUnderWay')
    await late.release()
    await (await takeLease(kube, 'later', clock)).release()
  })

  test('take a lease that ran out, by both clocks, and no other', () => {
    const lease = {
      metadata: {},
      spec: { holderIdentity: 'a', leaseDurationSeconds: 60, renewTime: '2026-01-01T00:00:00Z' },
    }
    const at = Date.UTC(2026, 0, 1)
    expect(mayTake(lease, 'b', at + 90_000)).toBe(false)
    expect(mayTake(lease, 'b', at + 90_001)).toBe(true)
    expect(mayTake(lease, 'a', at)).toBe(true)
    expect(mayTake({ metadata: {}, spec: { holderIdentity: '' } }, 'b', at)).toBe(true)
  })
})

test('a journal is private, outlives a line cut short, and goes when all is done', async () => {
  const port = inMemoryPort(state)
  let begun = 0
  const around = {
    port,
    takeLeases: async () => [],
    onProgress: () => undefined,
    clock: systemClock,
    pace: NO_PATIENCE,
    stopReason: () => ((begun += 1) > 1 ? 'SIGINT' : undefined),
  }
  const desk = await openDesk(folder, '1')
  expect(await applyPlan(desk, { ...request, resume: true }, around).catch(codeOf)).toBe(
    'NothingToResume',
  )
  const first = await applyPlan(desk, request, around)
  desk.release()
  expect(first.stopped).toBe('SIGINT')
  expect(first.standing.done.map(({ id }) => id)).toEqual(['a'])
  expect(first.standing.ready.map(({ id }) => id)).toEqual(['b'])
  expect(statSync(desk.path).mode & 0o777).toBe(0o600)
  appendFileSync(desk.path, '{"id":"b","sta')
  const second = await openDesk(folder, '1')
  expect(await applyPlan(second, request, around).catch(codeOf)).toBe('UnfinishedApply')
  begun = -10
  const other = { ...request, command: 'delete', resume: true } as const
  expect(await applyPlan(second, other, around).catch(codeOf)).toBe('UnfinishedApply')
  const end = await applyPlan(second, { ...request, steps: [], resume: true }, around)
  second.release()
  expect(end.standing.done).toHaveLength(2)
  expect(port.acts).toHaveLength(2)
  expect(existsSync(desk.path)).toBe(false)
  expect(readFileSync(join(folder, 'apply', '1', 'owner'), 'utf8')).toBe(`${process.pid}\n`)
})
