/** Two people who apply at once, and what one leaves behind who was killed. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { join } from 'node:path'
import { LEASES, type Lease } from '../../src/manage/apply/cluster-lease.ts'
import {
  ACCOUNT,
  CLUSTER,
  type EksSandbox,
  REGION,
  startEksSandbox,
} from '../support/eks-sandbox.ts'
import type { Ran } from '../support/podrole.ts'

const STEP_MS = 120_000
const NOTHING = 'Nothing to do: everything is as the files say.\n'
const PRELOAD = join(import.meta.dir, '../support/killed-at-line-preload.ts')
const LEASE = { namespace: 'kube-system', name: 'podrole-apply' }

let here: EksSandbox
beforeAll(async () => {
  here = await startEksSandbox()
}, STEP_MS)
afterAll(() => here.stop(), STEP_MS)

const write = (mode: string, ...names: readonly string[]): string =>
  here.desk.write(
    'cluster.yaml',
    `apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: { name: ${CLUSTER}, region: ${REGION} }
accessConfig: { authenticationMode: ${mode} }
iam:
  podIdentityAssociations:
${names.map((name) => `    - { namespace: shop, serviceAccountName: ${name}, createServiceAccount: true, permissionPolicyARNs: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess] }\n`).join('')}`,
  )

/** On a machine of its own: with another state folder. */
const applyOn = (machine: string, before = ''): Promise<Ran> =>
  here.desk.shell(
    `export XDG_STATE_HOME="$PWD/${machine}"; ${before} exec podrole apply -f cluster.yaml --yes`,
  )
const resumeOn = (machine: string): Promise<Ran> =>
  here.desk.shell(`XDG_STATE_HOME="$PWD/${machine}" exec podrole apply -f cluster.yaml --resume`)
const leaseOf = async (): Promise<NonNullable<Lease['spec']>> =>
  (await here.cluster.client.get<Lease>(LEASES, LEASE)).spec ?? {}

const excluded = (all: readonly Ran[]): readonly string[] =>
  all.filter(({ code }) => code !== 0).map(({ err }) => err)

/** All at once, slow enough to meet; of those that begin one wins and tells the others that it is there. */
async function race(machines: readonly string[]): Promise<readonly Ran[]> {
  here.sandbox.aws.faults.replace(['eks:CreatePodIdentityAssociation=delay:4s'])
  const all = await Promise.all(machines.map((machine) => applyOn(machine)))
  here.sandbox.aws.faults.replace([])
  return all
}

test(
  'on one machine one wins, the other says which process is at it',
  async () => {
    write('API', 'a', 'b')
    const all = await race(['one', 'one'])
    const [told, ...more] = excluded(all)
    expect(more).toEqual([])
    expect(told).toMatch(
      new RegExp(
        `another apply on this machine is under way on account ${ACCOUNT} \\(process \\d+\\)`,
      ),
    )
    expect((await applyOn('one')).out).toBe(NOTHING)
  },
  STEP_MS,
)

test(
  'on two machines one wins, the other says who holds the lease since when',
  async () => {
    write('API', 'a', 'b', 'c')
    const all = await race(['two', 'three'])
    const [told, ...more] = excluded(all)
    expect(more).toEqual([])
    expect(told).toMatch(
      /another apply is under way on the cluster: (?:podrole-[0-9a-f-]{36}, seen \d{4}-|somebody, seen just now)/,
    )
    expect((await leaseOf()).holderIdentity).toBe('')
    expect((await applyOn('two')).out).toBe(NOTHING)
  },
  STEP_MS,
)

test(
  'what one was killed at keeps others out until its lease runs out; then another takes it over',
  async () => {
    write('API', 'a', 'b', 'c', 'd')
    const killed = await applyOn(
      'four',
      `BUN_OPTIONS=--preload=${PRELOAD} PODROLE_TEST_KILL_AT=1 PODROLE_TEST_KILL=behind`,
    )
    expect(killed.code).toBe(137)
    const { holderIdentity, leaseTransitions = 0, renewTime = '' } = await leaseOf()
    const early = await applyOn('five')
    expect(early).toMatchObject({ code: 1 })
    expect(early.err).toContain(`${holderIdentity}, seen ${renewTime}`)
    const { metadata, spec } = await here.cluster.client.get<Lease>(LEASES, LEASE)
    // A minute and a half goes by.
    const past = new Date(Date.parse(renewTime) - 91_000).toISOString().replace('Z', '000Z')
    await here.cluster.client.replace<Lease>(LEASES, {
      metadata,
      spec: { ...spec, renewTime: past },
    })
    const late = await applyOn('five')
    expect(late).toMatchObject({ code: 0 })
    expect(await leaseOf()).toMatchObject({
      holderIdentity: '',
      leaseTransitions: leaseTransitions + 1,
    })
    // On its own machine the journal is left: going on with it finds all of it done.
    expect(await applyOn('four')).toMatchObject({ code: 0, out: NOTHING })
    const resumed = await resumeOn('four')
    expect(resumed).toMatchObject({ code: 0 })
    expect(resumed.err).toMatch(/create-role \S+ was done already/)
    expect(resumed.out).toContain('Nothing is left to do')
    expect(await resumeOn('four')).toMatchObject({
      code: 1,
      err: expect.stringContaining('no apply on account'),
    })
  },
  STEP_MS,
)

test(
  'a process that is gone leaves no lock on its machine',
  async () => {
    write('API', 'a', 'b', 'c', 'd', 'e')
    const killed = await applyOn(
      'six',
      `BUN_OPTIONS=--preload=${PRELOAD} PODROLE_TEST_KILL_AT=0 PODROLE_TEST_KILL=in`,
    )
    expect(killed.code).toBe(137)
    const unfinished = await applyOn('six')
    expect(unfinished).toMatchObject({ code: 1 })
    expect(unfinished.err).toContain('did not come to its end')
    expect(unfinished.err).toContain('--resume')
  },
  STEP_MS,
)
