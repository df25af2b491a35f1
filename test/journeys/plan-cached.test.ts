/** `podrole plan --cached` as typed: what it asks, what it does not see, and what it never believes. */
import { CreatePodIdentityAssociationCommand } from '@aws-sdk/client-eks'
import {
  AttachUserPolicyCommand,
  CreateAccessKeyCommand,
  CreateRoleCommand,
  CreateUserCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { appendFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type EksSandbox, startEksSandbox } from '../support/eks-sandbox.ts'
import type { Ran } from '../support/podrole.ts'
import { podsTrust } from '../support/shop-journey.ts'

const STEP_MS = 60_000
const MANY = 60
const NOTHING = 'Nothing to do: everything is as the files say.\n'
const RoleName = 'orders'

let here: EksSandbox
let folder = ''
beforeAll(async () => {
  here = await startEksSandbox({ clusterName: 'shop' })
  folder = join(here.desk.environment['XDG_STATE_HOME'] ?? '', 'podrole', 'observed')
  await here.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: podsTrust() }))
  const names = Array.from({ length: MANY }, (_, at) => `app-${at}`)
  for (const name of names) await associate(name)
  write(names)
}, STEP_MS)
afterAll(() => here.stop(), STEP_MS)

async function associate(serviceAccount: string): Promise<void> {
  const roleArn = `arn:aws:iam::111122223333:role/${RoleName}`
  const input = { clusterName: 'shop', namespace: 'orders', serviceAccount, roleArn }
  await here.eks.send(new CreatePodIdentityAssociationCommand(input))
}

function write(names: readonly string[], more = ''): void {
  const roleARN = `"arn:aws:iam::111122223333:role/${RoleName}"`
  const rows = names.map(
    (name) => `    - { namespace: orders, serviceAccountName: ${name}, roleARN: ${roleARN} }\n`,
  )
  here.desk.write('shop.yaml', `iam:\n  podIdentityAssociations:\n${rows.join('')}${more}`)
}

/** A plan, and how many calls of AWS it made. */
async function plan(options: string): Promise<Ran & { readonly calls: number }> {
  let calls = 0
  const stop = here.sandbox.aws.decisions.listen(() => (calls += 1))
  const ran = await here.desk.run(`plan -f shop.yaml --cluster shop ${options}`)
  stop()
  return { ...ran, calls }
}

const names = (): readonly string[] => readdirSync(folder)

test(
  'without it nothing is kept; with it the next plan asks who it is and no more',
  async () => {
    const plain = await plan('-o table')
    expect(plain).toMatchObject({ code: 0, out: NOTHING })
    expect(names).toThrow('ENOENT')
    const first = await plan('--cached 10m')
    expect(first).toMatchObject({ code: 0, out: NOTHING, calls: plain.calls })
    expect(first.err).toContain('--cached 10m: nothing kept is so young, all was read anew')
    const second = await plan('--cached 10m')
    expect(second).toMatchObject({ code: 0, out: NOTHING, calls: 1 })
    expect(second.calls / MANY).toBeLessThanOrEqual(0.05)
    expect(second.err).toMatch(/--cached 10m: 9 reading\(s\) kept from up to \d+s ago, 0 read anew/)
    // IAM's and the cluster's.
    expect(names().length).toBe(2)
    for (const name of names()) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
  },
  STEP_MS,
)

test(
  'what was changed meanwhile is not seen until what was kept is too old',
  async () => {
    await associate('by-hand')
    write(Array.from({ length: MANY }, (_, at) => `app-${at}`).concat('by-hand'))
    const data = await plan('--cached 10m -o json')
    const told = JSON.parse(data.out) as { observedAt: string; steps: unknown[] }
    expect(told.steps.length).toBe(1)
    expect(Date.parse(told.observedAt)).toBeLessThanOrEqual(Date.now())
    expect(await plan('--cached 0s')).toMatchObject({ code: 0, out: NOTHING })
    expect(await plan('--cached 10m')).toMatchObject({ code: 0, out: NOTHING, calls: 1 })
  },
  STEP_MS,
)

test(
  'what another file speaks of is read, the rest is kept',
  async () => {
    const more = 'accessConfig:\n  accessEntries: []\n'
    write(Array.from({ length: MANY }, (_, at) => `app-${at}`).concat('by-hand'), more)
    const { calls, err } = await plan('--cached 10m')
    expect(err).toContain(', 1 read anew')
    expect(calls).toBeLessThan(5)
  },
  STEP_MS,
)

test(
  'a file that was changed is told and read anew, all of it',
  async () => {
    for (const name of names()) appendFileSync(join(folder, name), ' ')
    const { calls, code, err, out } = await plan('--cached 10m')
    expect({ code, out }).toEqual({ code: 0, out: NOTHING })
    expect(err.match(/was changed or cut short: all of it is read anew/g)?.length).toBe(2)
    expect(calls).toBeGreaterThan(MANY)
    expect((await plan('--cached 10m')).calls).toBe(1)
  },
  STEP_MS,
)

test(
  'another caller has a view of their own',
  async () => {
    const UserName = 'ann'
    await here.iam.send(new CreateUserCommand({ UserName }))
    const PolicyArn = 'arn:aws:iam::aws:policy/AdministratorAccess'
    await here.iam.send(new AttachUserPolicyCommand({ UserName, PolicyArn }))
    const { AccessKey } = await here.iam.send(new CreateAccessKeyCommand({ UserName }))
    const keys = `AWS_PROFILE= AWS_ACCESS_KEY_ID=${AccessKey?.AccessKeyId} AWS_SECRET_ACCESS_KEY=${AccessKey?.SecretAccessKey}`
    const line = 'podrole plan -f shop.yaml --cluster shop --cached 10m'
    const { code, err } = await here.desk.shell(`${keys} ${line}`)
    expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining('all was read anew') })
  },
  STEP_MS,
)

test(
  'apply does not take it, and what it begins makes it forgotten',
  async () => {
    const refused = await here.desk.run('apply -f shop.yaml --cluster shop --cached 10m')
    expect(refused.code).toBe(1)
    expect(refused.err).toContain("unknown option '--cached'")
    write(Array.from({ length: MANY }, (_, at) => `app-${at}`).concat('by-hand', 'later'))
    expect((await plan('--cached 10m')).calls).toBe(1)
    const applied = await here.desk.run('apply -f shop.yaml --cluster shop --yes')
    expect({ code: applied.code, err: applied.err }).toMatchObject({ code: 0 })
    expect(names()).toEqual([])
    expect(await plan('--cached 10m')).toMatchObject({ code: 0, out: NOTHING })
  },
  STEP_MS,
)

test(
  'an age that is none, or more than is kept, is refused before anything is asked',
  async () => {
    for (const [age, why] of [
      ['soon', 'duration "soon" is not one'],
      ['25h', '--cached 25h: wanted at most 1d'],
    ] as const) {
      const { calls, code, err } = await plan(`--cached ${age}`)
      expect({ calls, code }).toEqual({ calls: 0, code: 1 })
      expect(err).toContain(why)
    }
    rmSync(folder, { recursive: true })
  },
  STEP_MS,
)
