/**
 * `podrole apply` as typed, killed with SIGKILL at every line of its journal: `--resume` ends where
 * an apply ends that nobody killed, whose calls are all there once.
 */
import { CreatePolicyCommand, CreateRoleCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rm } from 'node:fs/promises'
import { LEASES, type Lease } from '../../src/manage/apply/cluster-lease.ts'
import { mapLimited } from '../../src/lib/map-limited.ts'
import { wholeState } from '../support/whole-state.ts'
import { type EksSandbox, startEksSandbox } from '../support/eks-sandbox.ts'
import { podsTrust } from '../support/shop-journey.ts'
import { scaled } from '../support/tools.ts'

const PRELOAD = join(import.meta.dir, '../support/killed-at-line-preload.ts')
const TESTDATA = join(import.meta.dir, 'testdata', 'apply-killed')
const LATE = ['iam:*=eventual:200ms', 'eks:*=eventual:200ms']
/** Sandboxes at once, each of which waits most of the time. */
const AT_ONCE = 3
const STEP_MS = 900_000

interface Place {
  readonly here: EksSandbox
  /** Everything of the account and the cluster, in one spelling. */
  readonly whole: () => Promise<string>
  readonly back: () => Promise<void>
}

interface Story {
  readonly accountId: string
  readonly clusterName: string
  readonly region: string
  /** Applied before; none where the account is empty. */
  readonly before?: string
  readonly after: string
  /** Roles and policies that the files give. */
  readonly roles: readonly string[]
  readonly policies: readonly string[]
}

const DOCUMENT_004 = join(
  import.meta.dir,
  '../../src/manage/desired/testdata/read/document-004-rctl.yaml',
)

const STORIES: Readonly<Record<string, Story>> = {
  "document 004's cluster config": {
    accountId: '679196758854',
    clusterName: 'demo-eks-cluster',
    region: 'us-west-2',
    after: DOCUMENT_004,
    roles: ['demo-eks-full', 'eksctl-demo-imported-clus46-addon-vpc-cni-Role1-badgX6yB68vw'],
    policies: ['demo-eks-full'],
  },
  'a day 2 that makes, changes and takes away': {
    accountId: '111122223333',
    clusterName: 'shop',
    region: 'eu-central-1',
    before: join(TESTDATA, 'day-0.yaml'),
    after: join(TESTDATA, 'day-2.yaml'),
    roles: ['ada', 'grace'],
    policies: ['boundary'],
  },
}

async function startPlace(story: Story): Promise<Place> {
  const here = await startEksSandbox(story)
  for (const RoleName of story.roles) {
    await here.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: podsTrust() }))
  }
  const PolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }],
  })
  for (const PolicyName of story.policies) {
    await here.iam.send(new CreatePolicyCommand({ PolicyName, PolicyDocument }))
  }
  if (story.before !== undefined) {
    here.desk.write('cluster.yaml', readFileSync(story.before, 'utf8'))
    const { code, err, out } = await here.desk.run('apply -f cluster.yaml --yes')
    expect({ code, err, out }).toMatchObject({ code: 0 })
  }
  here.desk.write('cluster.yaml', readFileSync(story.after, 'utf8'))
  here.sandbox.snapshots.take('before')
  here.sandbox.aws.faults.replace(LATE)
  const state = join(here.desk.folder, 'state')
  return {
    here,
    whole: () => wholeState(here, story.accountId),
    back: async () => {
      await rm(state, { recursive: true, force: true })
      await here.sandbox.snapshots.restore('before')
    },
  }
}

const journalOf = ({ here }: Place, { accountId }: Story): string =>
  join(here.desk.folder, 'state', 'podrole', 'apply', accountId, 'journal')

const holderOf = async ({ here }: Place): Promise<string | null | undefined> => {
  const ref = { namespace: 'kube-system', name: 'podrole-apply' }
  const { spec } = await here.cluster.client.get<Lease>(LEASES, ref)
  return spec?.holderIdentity
}

describe.each(Object.entries(STORIES))('%s', (_name, story) => {
  let places: readonly Place[] = []
  beforeAll(async () => {
    places = await Promise.all(Array.from({ length: AT_ONCE }, () => startPlace(story)))
  }, STEP_MS)
  afterAll(async () => {
    for (const { here } of places) await here.stop()
  }, STEP_MS)

  /** How many lines the journal has where nobody kills it, and what is there then. */
  const unharmed = async (
    place: Place,
  ): Promise<{ readonly lines: number; readonly whole: string }> => {
    const { out } = await place.here.desk.run('plan -f cluster.yaml --force --adopt -o json')
    const { steps } = JSON.parse(out) as { readonly steps: readonly unknown[] }
    const { code, err } = await place.here.desk.run('apply -f cluster.yaml --yes --force --adopt')
    expect({ code, err }).toMatchObject({ code: 0 })
    const whole = await place.whole()
    await place.back()
    return { lines: 2 * steps.length, whole }
  }

  const killedAndResumed = async (
    place: Place,
    death: { readonly at: number; readonly when: 'in' | 'behind' },
  ): Promise<string> => {
    const killed = await place.here.desk.shell(
      `BUN_OPTIONS=--preload=${PRELOAD} PODROLE_TEST_KILL_AT=${death.at} PODROLE_TEST_KILL=${death.when} exec podrole apply -f cluster.yaml --yes --force --adopt`,
    )
    expect({ death, ...killed }).toMatchObject({ death, code: 137 })
    const journal = readFileSync(journalOf(place, story), 'utf8')
    expect(journal.split('\n').length).toBe(death.at + (death.when === 'in' ? 2 : 3))
    expect(await holderOf(place)).toStartWith('podrole-')
    const resumed = await place.here.desk.run('apply -f cluster.yaml --resume')
    expect({ death, ...resumed }).toMatchObject({ death, code: 0 })
    expect(existsSync(journalOf(place, story))).toBe(false)
    expect(await holderOf(place)).toBe('')
    return place.whole()
  }

  test(
    'is resumed after a kill -9 at any line of the journal to the same end, without a lock left',
    async () => {
      const ends = new Map(
        await Promise.all(places.map(async (place) => [place, await unharmed(place)] as const)),
      )
      const { lines = 0 } = ends.values().next().value ?? {}
      expect(lines).toBeGreaterThan(20)
      const deaths = Array.from({ length: lines }, (_, at) => at).flatMap((at) =>
        // Between two lines there is nothing but what is under way.
        scaled(1) > 1
          ? [
              { at, when: 'in' as const },
              { at, when: 'behind' as const },
            ]
          : [{ at, when: at % 2 === 0 ? ('in' as const) : ('behind' as const) }],
      )
      const free = [...places]
      await mapLimited(deaths, free.length, async (death) => {
        const place = free.pop()
        if (place === undefined) return
        const end = await killedAndResumed(place, death)
        // Each sandbox has an issuer of its own.
        const { whole = '' } = ends.get(place) ?? {}
        if (end !== whole) expect(`${JSON.stringify(death)}\n${end}`).toBe(whole)
        await place.back()
        free.push(place)
      })
    },
    STEP_MS,
  )
})
