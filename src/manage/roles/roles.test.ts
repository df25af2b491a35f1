import {
  CreateRoleCommand,
  GetRoleCommand,
  type IAMClient,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAccount } from '../../aws/account.ts'
import type { TrustGrant } from '../../iam/trust-grant.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import type { Patience } from '../../lib/waiting.ts'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  CLUSTER,
  ISSUER,
  OTHER_ACCOUNT,
  REGION,
  startAwsFixture,
  trustOf,
} from '../../sandbox/aws/aws-fixture.suite.ts'
import { ensureProvider } from '../../issuer/provider.ts'
import { iamProviders } from '../../issuer/provider-iam.ts'
import { describeEksCluster } from '../../aws/eks-cluster.ts'
import { keepPriorTrust, stateFolder } from './prior-trust.ts'
import { ensureRole, type EnsuredRole, type RoleOptions } from './role-apply.ts'
import { iamRoles } from './role-iam.ts'
import type { RolePort } from './role-port.ts'
import { checkRequestInAccount, readRoleRequest, type RoleWishes } from './role-request.ts'
import { changeTrust, type TrustChange } from './trust-change.ts'

let fixture: AwsFixture
let iam: IAMClient
let port: RolePort
let folder: string
const clusterArn = `arn:aws:eks:${REGION}:${ACCOUNT}:cluster/${CLUSTER}`
const READ = 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'
const FAST: Patience = { totalMs: 300, firstDelayMs: 1, maxDelayMs: 5 }

beforeAll(async () => {
  fixture = await startAwsFixture()
  iam = fixture.clients(fixture.admin).iam
  fixture.aws.decisions.listen(({ action }) => {
    if (/^iam:(?!Get|List)/.test(action)) writes += 1
  })
  folder = mkdtempSync(join(tmpdir(), 'podrole-roles-'))
  const { admin, clock, endpoint } = fixture
  const account = await openAccount({ endpoint, region: REGION, credentials: admin })
  const around = { clock, environment: { AWS_ENDPOINT_URL: endpoint } }
  port = await iamRoles(account, around)
  const desired = { issuer: ISSUER, clientIds: ['sts.amazonaws.com'], thumbprints: [], tags: {} }
  await ensureProvider(await iamProviders(account, around), desired)
  expect(await describeEksCluster(account, CLUSTER)).toMatchObject({ arn: clusterArn })
  expect(await describeEksCluster(account, 'nobody').catch(codeOf)).toBe('ResourceNotFound')
})
afterEach(() => fixture.aws.faults.replace([]))
afterAll(async () => {
  await fixture.stop()
  rmSync(folder, { recursive: true, force: true })
})

const podIdentity = (...names: readonly string[]): TrustGrant => ({
  way: 'pod-identity',
  clusterArn,
  accountId: ACCOUNT,
  serviceAccounts: names.map((name) => ({ namespace: 'shop', name })),
})
const irsa = (issuer: string, ...names: readonly string[]): TrustGrant => ({
  way: 'irsa',
  partition: 'aws',
  accountId: ACCOUNT,
  issuer,
  serviceAccounts: names.map((name) => ({ namespace: 'shop', name })),
})
const wishes = (name: string, change: Partial<RoleWishes> = {}): RoleWishes => ({
  name,
  policyArns: [],
  tags: [],
  ...change,
})
const ensure = (
  asked: RoleWishes,
  grant: TrustGrant = podIdentity('orders'),
  options: Partial<RoleOptions> & { readonly port?: RolePort } = {},
): Promise<EnsuredRole> =>
  ensureRole(
    options.port ?? port,
    { request: readRoleRequest(asked), grant },
    { adopt: false, keep: keepPriorTrust(folder, fixture.clock), patience: FAST, ...options },
  )
const change = (
  what: 'add' | 'remove',
  role: string,
  grant: TrustGrant,
  options: {
    readonly dryRun?: boolean
    readonly port?: RolePort
    readonly patience?: Patience
  } = {},
): Promise<TrustChange> =>
  changeTrust(options.port ?? port, role, {
    change: what,
    grant,
    dryRun: options.dryRun ?? false,
    keep: keepPriorTrust(folder, fixture.clock),
    patience: options.patience ?? FAST,
  })
const faultOf = async (promise: Promise<unknown>): Promise<PodroleError> => {
  const thrown = await promise.then(
    () => new Error('nothing was thrown'),
    (error: unknown) => error,
  )
  if (!(thrown instanceof PodroleError)) throw thrown
  return thrown
}
const trustText = async (RoleName: string): Promise<string> => {
  const { Role } = await iam.send(new GetRoleCommand({ RoleName }))
  return decodeURIComponent(Role?.AssumeRolePolicyDocument ?? '')
}
let writes = 0

describe('ensureRole', () => {
  const full = wishes('full', {
    path: '/team/',
    description: 'reads orders',
    maxSessionDuration: '2h',
    policyArns: [READ],
    policy: allowOf('s3:GetObject'),
    permissionsBoundary: 'arn:aws:iam::aws:policy/AdministratorAccess',
    tags: ['team=shop'],
  })

  test('makes a role with everything, and then nothing more', async () => {
    const made = await ensure(full)
    expect(made.arn).toBe(`arn:aws:iam::${ACCOUNT}:role/team/full`)
    expect(made.done).toEqual([
      'role full made',
      `policy ${READ} attached`,
      'inline policy written',
    ])
    expect(await port.get('full')).toMatchObject({
      path: '/team/',
      description: 'reads orders',
      maxSessionSeconds: 7200,
      boundaryArn: 'arn:aws:iam::aws:policy/AdministratorAccess',
      policyArns: [READ],
      policy: allowOf('s3:GetObject'),
      tags: { team: 'shop', 'podrole.dev/managed-by': 'podrole' },
    })
    const before = writes
    expect(await ensure(full)).toMatchObject({ arn: made.arn, done: [] })
    expect(await ensure(wishes('full'))).toMatchObject({ arn: made.arn, done: [] })
    expect(writes).toBe(before)
  })

  test('what was decided otherwise is refused, all of it, with 0 writes', async () => {
    const before = writes
    const other = {
      ...full,
      path: '/',
      description: 'x',
      maxSessionDuration: '3h',
      policy: allowOf('s3:*'),
      tags: ['team=y'],
      permissionsBoundary: READ,
    }
    const fault = await faultOf(ensure(other, podIdentity('stock')))
    expect(fault.code).toBe('RoleDiffers')
    for (const part of [
      'path is "/team/", not "/"',
      'description is "reads orders", not "x"',
      '7200, not 10800',
      'boundary',
      'tag team is "shop", not "y"',
      'inline policy',
      'does not admit shop/stock',
    ]) {
      expect(fault.message).toContain(part)
    }
    expect(fault.hint).toContain('podrole role trust add full')
    expect(writes).toBe(before)
  })

  test('one that fails half way says so, and goes on when it is run again', async () => {
    const mine = `arn:aws:iam::${ACCOUNT}:policy/later`
    const asked = wishes('half', { policyArns: [READ, mine], policy: allowOf('s3:GetObject') })
    const fault = await faultOf(ensure(asked))
    expect(fault.code).toBe('RoleHalfMade')
    expect(fault.message).toContain(
      `role half made; policy ${READ} attached; then step attach failed, and 2 of 4 step(s) are left`,
    )
    expect(fault.hint).toContain('run the same command again')
    const { CreatePolicyCommand } = await import('@aws-sdk/client-iam')
    await iam.send(
      new CreatePolicyCommand({ PolicyName: 'later', PolicyDocument: allowOf('s3:ListBucket') }),
    )
    expect((await ensure(asked)).done).toEqual([`policy ${mine} attached`, 'inline policy written'])
  })

  test('a role of somebody else is refused, or adopted', async () => {
    const theirs = trustOf({ Service: 'ec2.amazonaws.com' }, 'sts:AssumeRole')
    await iam.send(new CreateRoleCommand({ RoleName: 'theirs', AssumeRolePolicyDocument: theirs }))
    const fault = await faultOf(ensure(wishes('theirs', { policyArns: [READ] })))
    expect(fault.code).toBe('RoleNotOwned')
    expect(fault.hint).toContain('podrole role trust add theirs')
    expect(await trustText('theirs')).toBe(theirs)
    const adopted = await ensure(
      wishes('theirs', { policyArns: [READ], tags: ['a=b'] }),
      podIdentity('orders'),
      { adopt: true },
    )
    expect(adopted.done).toEqual([
      'tagged a, podrole.dev/managed-by',
      'trust policy written',
      `policy ${READ} attached`,
    ])
    expect(readFileSync(adopted.priorFile ?? '', 'utf8')).toBe(theirs)
    const statements = (JSON.parse(await trustText('theirs')) as { Statement: unknown[] }).Statement
    expect(statements[0]).toEqual((JSON.parse(theirs) as { Statement: unknown[] }).Statement[0])
    expect(statements).toHaveLength(2)
    expect((await ensure(wishes('theirs', { policyArns: [READ] }))).done).toEqual([])
  })

  test('a role that IAM does not show yet is found in the end', async () => {
    let hidden = 3
    const late: RolePort = {
      ...port,
      get: async (name) => {
        hidden -= 1
        return hidden >= 0 ? undefined : port.get(name)
      },
    }
    await ensure(wishes('late'))
    expect(await ensure(wishes('late'), podIdentity('orders'), { port: late })).toMatchObject({
      done: [],
    })
    let unknown = 2
    const slow: RolePort = {
      ...port,
      attach: async (name, arn) => {
        unknown -= 1
        if (unknown >= 0)
          throw new PodroleError('NoSuchEntity', `The role with name ${name} cannot be found.`)
        await port.attach(name, arn)
      },
    }
    const asked = wishes('slow', { policyArns: [READ] })
    expect((await ensure(asked, podIdentity('orders'), { port: slow })).done).toHaveLength(2)
  })

  test('without the provider of the issuer nothing is made, and the command for it is named', async () => {
    const nobody = 'https://nobody.issuer.sandbox'
    const fault = await faultOf(ensure(wishes('early'), irsa(nobody, 'orders')))
    expect(fault.code).toBe('NoProvider')
    expect(fault.hint).toContain(`podrole issuer provider create --issuer ${nobody}`)
    const audience = { ...irsa(ISSUER, 'orders'), audience: 'else.example' } as TrustGrant
    const other = await faultOf(ensure(wishes('early'), audience))
    expect(other.code).toBe('ProviderWithoutAudience')
    expect(other.hint).toContain('--client-id else.example')
    expect(await port.get('early')).toBeUndefined()
    expect((await ensure(wishes('early'), irsa(ISSUER, 'orders'))).done).toEqual([
      'role early made',
    ])
  })

  test('a trust policy that is too long is refused before any write, with numbers', async () => {
    const names = Array.from({ length: 60 }, (_, at) => `orders-${at + 10}`)
    const fault = await faultOf(ensure(wishes('long'), irsa(ISSUER, ...names)))
    expect(fault.code).toBe('TrustPolicyTooLong')
    const [, fit = ''] = /: (\d+) of the 60 service account\(s\) fit/.exec(fault.message) ?? []
    expect(fault.message).toContain('2048 (Service Quotas L-C07B4B0D)')
    expect(await port.get('long')).toBeUndefined()
    const most = names.slice(0, Number(fit))
    const one = names[Number(fit)] ?? ''
    expect((await ensure(wishes('long'), irsa(ISSUER, ...most))).done).toEqual(['role long made'])
    expect((await faultOf(change('add', 'long', irsa(ISSUER, one)))).code).toBe(
      'TrustPolicyTooLong',
    )
    fixture.aws.setQuota({ name: 'trustPolicyCharacters', accountId: ACCOUNT, value: 4096 })
    expect((await change('add', 'long', irsa(ISSUER, one))).subjects).toEqual([`shop/${one}`])
    fixture.aws.setQuota({ name: 'trustPolicyCharacters', accountId: ACCOUNT, value: 2048 })
    expect((await change('remove', 'long', irsa(ISSUER, one))).subjects).toEqual([`shop/${one}`])
  })
})

describe('changeTrust', () => {
  const writeTrust = (RoleName: string, PolicyDocument: string): Promise<unknown> =>
    iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument }))

  test('writes once, keeps the exact text from before for its owner alone, and can be put back', async () => {
    const theirs = JSON.stringify(
      {
        Id: 'é',
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { AWS: ACCOUNT }, Action: 'sts:AssumeRole' }],
      },
      null,
      3,
    )
    await iam.send(new CreateRoleCommand({ RoleName: 'shared', AssumeRolePolicyDocument: theirs }))
    const dry = await change('add', 'shared', podIdentity('orders'), { dryRun: true })
    expect(dry.after).not.toBe(dry.before)
    expect(dry.priorFile).toBeUndefined()
    expect(await trustText('shared')).toBe(theirs)
    const written = await change('add', 'shared', podIdentity('orders'))
    expect(await trustText('shared')).toBe(dry.after)
    const file = written.priorFile ?? ''
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, 'trust')).mode & 0o777).toBe(0o700)
    expect(readFileSync(file, 'utf8')).toBe(theirs)
    const kept = readdirSync(join(folder, 'trust')).length
    expect(await change('add', 'shared', podIdentity('orders'))).toMatchObject({
      subjects: [],
      after: dry.after,
    })
    expect(readdirSync(join(folder, 'trust')).length).toBe(kept)
    const removed = await change('remove', 'shared', podIdentity('orders'))
    expect(JSON.parse(removed.after)).toEqual(JSON.parse(theirs))
    await writeTrust('shared', readFileSync(file, 'utf8'))
    expect(await trustText('shared')).toBe(theirs)
  })

  test('a policy that somebody changed meanwhile is not written over', async () => {
    await ensure(wishes('race'))
    const other = trustOf({ AWS: ACCOUNT }, 'sts:AssumeRole')
    let reads = 0
    const racing: RolePort = {
      ...port,
      trustPolicyOf: async (name) => {
        reads += 1
        if (reads === 2) await writeTrust(name, other)
        return port.trustPolicyOf(name)
      },
    }
    const fault = await faultOf(change('add', 'race', podIdentity('stock'), { port: racing }))
    expect(fault.code).toBe('TrustPolicyChanged')
    expect(await trustText('race')).toBe(other)
  })

  test('a write is waited for, so that the next edit does not begin with what was before', async () => {
    await ensure(wishes('slow-trust'))
    const old = await trustText('slow-trust')
    let stale = 0
    const late: RolePort = {
      ...port,
      putTrustPolicy: async (name, text) => {
        await port.putTrustPolicy(name, text)
        stale = 3
      },
      trustPolicyOf: (name) => {
        stale -= 1
        return stale >= 0 ? Promise.resolve(old) : port.trustPolicyOf(name)
      },
    }
    await change('add', 'slow-trust', podIdentity('stock'), { port: late })
    await change('add', 'slow-trust', podIdentity('third'), { port: late })
    for (const name of ['orders', 'stock', 'third']) {
      expect(await trustText('slow-trust')).toContain(`"${name}"`)
    }
  })

  test('a role that is not there, and the last statement', async () => {
    expect((await faultOf(change('add', 'nobody', podIdentity('x')))).code).toBe('NoSuchEntity')
    await ensure(wishes('single'))
    expect((await faultOf(change('remove', 'single', podIdentity('orders')))).code).toBe(
      'LastTrustStatement',
    )
  })
})

describe('what is asked for', () => {
  const wrong: readonly (readonly [Partial<RoleWishes>, string])[] = [
    [{ name: 'a b' }, 'InvalidArn'],
    [{ name: 'x'.repeat(65) }, 'InvalidArn'],
    [{ path: 'team' }, 'InvalidArn'],
    [{ path: `/${'x'.repeat(511)}/` }, 'InvalidArn'],
    [{ description: 'Ж' }, 'InvalidDescription'],
    [{ description: 'x'.repeat(1001) }, 'InvalidDescription'],
    [{ maxSessionDuration: '59m' }, 'InvalidSessionDuration'],
    [{ maxSessionDuration: '13h' }, 'InvalidSessionDuration'],
    [{ maxSessionDuration: '1h500ms' }, 'InvalidSessionDuration'],
    [{ maxSessionDuration: 'long' }, 'InvalidDuration'],
    [{ policyArns: ['AmazonS3ReadOnlyAccess'] }, 'InvalidArn'],
    [{ policyArns: [`arn:aws:iam::${ACCOUNT}:role/x`] }, 'InvalidPolicyArn'],
    [{ policyArns: [READ, READ] }, 'InvalidPolicyArn'],
    [{ permissionsBoundary: 'arn:aws:s3:::x' }, 'InvalidPolicyArn'],
    [{ policy: '{' }, 'MalformedPolicyDocument'],
    [{ policy: trustOf({ AWS: '*' }, 'sts:AssumeRole') }, 'MalformedPolicyDocument'],
    [
      { policy: allowOf(Array.from({ length: 700 }, (_, at) => `s3:Action${at}xx`)) },
      'PolicyTooLong',
    ],
    [{ tags: ['x'] }, 'InvalidTag'],
  ]
  for (const [part, code] of wrong) {
    test(`${code} for ${JSON.stringify(part).slice(0, 60)}`, () => {
      let thrown: unknown
      try {
        readRoleRequest(wishes('orders', part))
      } catch (error) {
        thrown = error
      }
      expect(codeOf(thrown)).toBe(code)
    })
  }

  test('everything that is wrong is told at once', () => {
    let thrown: unknown
    try {
      readRoleRequest(
        wishes('a b', { path: 'x', maxSessionDuration: '1m', policyArns: ['y'], tags: ['z'] }),
      )
    } catch (error) {
      thrown = error
    }
    expect(codeOf(thrown)).toBe('InvalidRole')
    expect(messageOf(thrown).split('\n')).toHaveLength(6)
  })

  test('a policy of another partition or account is refused when the account is known', () => {
    const account = { partition: 'aws-cn', accountId: ACCOUNT }
    const request = (arn: string) => readRoleRequest(wishes('x', { policyArns: [arn] }))
    expect(() => checkRequestInAccount(request(READ), account)).toThrow(/partition aws-cn/)
    const foreign = `arn:aws-cn:iam::${OTHER_ACCOUNT}:policy/x`
    expect(() => checkRequestInAccount(request(foreign), account)).toThrow(/cannot be attached/)
    checkRequestInAccount(request('arn:aws-cn:iam::aws:policy/x'), account)
    checkRequestInAccount(request(`arn:aws-cn:iam::${ACCOUNT}:policy/x`), account)
  })
})

test('state is kept where the XDG Base Directory Specification says', () => {
  expect(stateFolder({ XDG_STATE_HOME: '/s', HOME: '/h' })).toBe('/s/podrole')
  expect(stateFolder({ HOME: '/h' })).toBe('/h/.local/state/podrole')
  expect(stateFolder({ XDG_STATE_HOME: 'relative', HOME: '/h' })).toBe('/h/.local/state/podrole')
})
