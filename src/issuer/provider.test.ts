import { CreateRoleCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { openAccount } from '../aws/account.ts'
import { readIamQuota } from '../aws/iam-quotas.ts'
import { fleetTrust, irsaTrust } from '../iam/trust.ts'
import { codeOf, messageOf } from '../lib/errors.ts'
import {
  ACCOUNT,
  type AwsFixture,
  ISSUER,
  OTHER_ACCOUNT,
  REGION,
  startAwsFixture,
  trustOf,
} from '../sandbox/aws/aws-fixture.suite.ts'
import { nameKey, type RoleRecord } from '../sandbox/aws/records.ts'
import type { IssuerNames } from './outside/issuer-names.ts'
import {
  deleteProvider,
  ensureProvider,
  type ProviderPort,
  providerStatus,
  trustedProviders,
} from './provider.ts'
import { iamProviders } from './provider-iam.ts'
import { checkDesiredProvider, type DesiredProvider, planProvider } from './provider-plan.ts'

let fixture: AwsFixture
let home: ProviderPort
let away: ProviderPort
let names: IssuerNames

const portOf = async (credentials: AwsFixture['admin']): Promise<ProviderPort> => {
  const { clock, endpoint } = fixture
  const account = await openAccount({ endpoint, region: REGION, credentials })
  return iamProviders(account, { clock, environment: { AWS_ENDPOINT_URL: endpoint } })
}

beforeAll(async () => {
  fixture = await startAwsFixture()
  home = await portOf(fixture.admin)
  away = await portOf(fixture.otherAdmin)
  names = {
    resolve: (host) => fixture.names.resolve(host) ?? { address: '127.0.0.1', port: 1 },
  }
})
afterAll(() => fixture.stop())

const desired = (change: Partial<DesiredProvider> = {}): DesiredProvider => ({
  issuer: ISSUER,
  clientIds: ['sts.amazonaws.com'],
  thumbprints: [],
  tags: {},
  ...change,
})
const ARN = `arn:aws:iam::${ACCOUNT}:oidc-provider/green.issuer.sandbox/clusters/green`

describe('ensureProvider', () => {
  test('makes it in its own account, and then adds what is missing and nothing else', async () => {
    expect([home.accountId, away.accountId]).toEqual([ACCOUNT, OTHER_ACCOUNT])
    const made = await ensureProvider(home, desired())
    expect(made).toMatchObject({
      arn: ARN,
      done: ['created for client ids sts.amazonaws.com'],
      room: { used: 0, quota: 100, isLive: true },
    })
    expect((await home.get(ARN))?.tags).toEqual({ 'podrole.dev/managed-by': 'podrole' })
    expect(await away.list()).toEqual([])
    expect((await ensureProvider(home, desired())).done).toEqual([])
    const more = desired({
      clientIds: ['amazonaws.com', 'sts.amazonaws.com'],
      thumbprints: ['a'.repeat(40)],
      tags: { team: 'shop' },
    })
    expect((await ensureProvider(home, more)).done).toEqual([
      'client id amazonaws.com added',
      `thumbprints set: ${'a'.repeat(40)}`,
      'tagged team=shop',
    ])
    expect((await ensureProvider(home, more)).done).toEqual([])
    expect(await home.get(ARN)).toMatchObject({
      issuer: ISSUER,
      clientIds: ['sts.amazonaws.com', 'amazonaws.com'],
      thumbprints: ['a'.repeat(40)],
      tags: { team: 'shop', 'podrole.dev/managed-by': 'podrole' },
    })
  })

  test('tells the room before it writes, and refuses a full account with numbers', async () => {
    fixture.aws.setQuota({ name: 'oidcProviders', accountId: ACCOUNT, value: 1 })
    const told: string[] = []
    const issuer = 'https://blue.issuer.sandbox'
    const full = await ensureProvider(home, desired({ issuer }), {
      tellRoom: ({ text }) => told.push(text),
    }).catch((error: unknown) => error)
    expect(codeOf(full)).toBe('ProviderQuotaReached')
    expect(messageOf(full)).toContain('1 (Service Quotas L-858F3967)')
    expect(told).toEqual([
      '1 IAM OIDC provider(s), quota 1 (Service Quotas L-858F3967): room for 0 more',
    ])
    fixture.aws.setQuota({ name: 'oidcProviders', accountId: ACCOUNT, value: 100 })
  })

  test('one that was made while IAM did not show it yet is found and given what it lacks', async () => {
    const issuer = 'https://late.issuer.sandbox'
    await ensureProvider(home, desired({ issuer }))
    let hidden = 2
    const late: ProviderPort = {
      ...home,
      get: async (arn) => {
        hidden -= 1
        return hidden >= 0 ? undefined : home.get(arn)
      },
    }
    const patience = { totalMs: 5000, firstDelayMs: 1, maxDelayMs: 1 }
    const again = await ensureProvider(late, desired({ issuer, clientIds: ['x'] }), { patience })
    expect(again.done).toEqual(['client id x added'])
    await deleteProvider(home, issuer, { isForced: false })
  })

  test('a step that fails tells what was done before it', async () => {
    const broken: ProviderPort = {
      ...home,
      tag: () =>
        Promise.reject(Object.assign(new Error('no tags today'), { code: 'AccessDenied' })),
    }
    const failed = await ensureProvider(
      broken,
      desired({ clientIds: ['y'], tags: { a: 'b' } }),
    ).catch((error: unknown) => error)
    expect(codeOf(failed)).toBe('AccessDenied')
    expect(messageOf(failed)).toContain('client id y added; then it failed: no tags today')
  })
})

describe('providerStatus and deleteProvider', () => {
  test('roles that trust it are named over all pages; what is left over is marked', async () => {
    const { iam } = fixture.clients(fixture.admin)
    const common = { partition: 'aws', accountId: ACCOUNT, issuer: ISSUER }
    const serviceAccount = { namespace: 'shop', name: 'orders' }
    const trusts = [
      irsaTrust({ ...common, subjects: [serviceAccount] }),
      fleetTrust({ ...common, clusters: ['edge'], serviceAccount }),
    ]
    for (const [at, trust] of trusts.entries()) {
      const AssumeRolePolicyDocument = JSON.stringify(trust)
      await iam.send(
        new CreateRoleCommand({ RoleName: `zz-${at}`, Path: '/team/', AssumeRolePolicyDocument }),
      )
    }
    // More than a page holds; copies, since a thousand calls take their time.
    const roles = fixture.state.table<RoleRecord>('iam.roles')
    const ec2 = trustOf({ Service: 'ec2.amazonaws.com' }, 'sts:AssumeRole')
    await iam.send(new CreateRoleCommand({ RoleName: 'a-0', AssumeRolePolicyDocument: ec2 }))
    const one = roles.get(nameKey(ACCOUNT, 'a-0'))
    if (one === undefined) throw new Error('no role')
    for (let at = 1; at < 1100; at += 1) {
      const roleName = `a-${at}`
      roles.set(nameKey(ACCOUNT, roleName), { ...one, roleName, arn: `${one.arn}-${at}` })
    }
    await ensureProvider(home, desired({ issuer: 'https://nobody.issuer.sandbox' }))
    const { providers, room } = await providerStatus(home, { names })
    expect(room.used).toBe(2)
    expect(providers.map(({ issuer, orphan, trustedBy }) => [issuer, trustedBy, orphan])).toEqual([
      [ISSUER, ['zz-0', 'zz-1'], []],
      ['https://nobody.issuer.sandbox', [], ['no role trusts it', 'its issuer does not answer']],
    ])
    const single = await providerStatus(home, { names, issuer: ISSUER })
    expect(single.providers.map(({ arn }) => arn)).toEqual([ARN])
    const refused = await deleteProvider(home, ISSUER, { isForced: false }).catch(
      (error: unknown) => error,
    )
    expect(codeOf(refused)).toBe('ProviderInUse')
    expect(messageOf(refused)).toContain('2 role(s): zz-0, zz-1')
    expect(await home.list()).toHaveLength(2)
    const forced = await deleteProvider(home, ISSUER, { isForced: true })
    expect(forced).toEqual({ arn: ARN, existed: true, trustedBy: ['zz-0', 'zz-1'] })
    expect(await home.get(ARN)).toBeUndefined()
    expect((await deleteProvider(home, ISSUER, { isForced: false })).existed).toBe(false)
  }, 60_000)

  test('a Deny trusts nobody, and what cannot be read neither', () => {
    const federated = { Federated: ['x', 'y'] }
    const policy = {
      Statement: [
        { Effect: 'Deny', Principal: { Federated: 'z' } },
        { Effect: 'Allow', Principal: federated },
        { Effect: 'Allow', Principal: '*' },
      ],
    }
    expect(trustedProviders(JSON.stringify(policy))).toEqual(['x', 'y'])
    expect(
      trustedProviders(JSON.stringify({ Statement: { Effect: 'Allow', Principal: federated } })),
    ).toEqual(['x', 'y'])
    expect(trustedProviders('{')).toEqual([])
  })
})

describe('what is asked for', () => {
  test.each([
    [{ issuer: 'http://a.example' }, 'InvalidIssuerUrl'],
    [{ issuer: 'https://a.example:443' }, 'InvalidIssuerUrl'],
    [{ issuer: 'https://a.example/x?y' }, 'InvalidIssuerUrl'],
    [{ issuer: 'https://a.example/x/' }, 'InvalidIssuerUrl'],
    [{ issuer: `https://a.example/${'x'.repeat(240)}` }, 'InvalidIssuerUrl'],
    [{ clientIds: ['a b'] }, 'InvalidClientId'],
    [{ clientIds: Array.from({ length: 101 }, (_, at) => `c${at}`) }, 'InvalidClientId'],
    [{ thumbprints: ['abc'] }, 'InvalidThumbprint'],
    [{ thumbprints: Array.from({ length: 6 }, () => 'a'.repeat(40)) }, 'InvalidThumbprint'],
  ])('%p is refused before any call: %s', (change, code) => {
    let thrown: unknown
    try {
      checkDesiredProvider(desired(change))
    } catch (error) {
      thrown = error
    }
    expect(codeOf(thrown)).toBe(code)
  })

  test('a provider that is full with what it has is refused', () => {
    const around = {
      partition: 'aws',
      accountId: ACCOUNT,
      used: 1,
      quota: { value: 1, isLive: true, text: '' },
    }
    const provider = {
      arn: ARN,
      ...desired({ clientIds: Array.from({ length: 100 }, (_, at) => `c${at}`) }),
    }
    expect(() => planProvider(desired(), { ...around, provider })).toThrow(/101 client ids/)
  })

  test('a quota that is only documented is no reason to refuse', () => {
    const quota = { value: 100, isLive: false, text: '' }
    const around = { partition: 'aws', accountId: ACCOUNT, used: 100, quota, provider: undefined }
    expect(planProvider(desired(), around).steps).toHaveLength(1)
  })
})

describe('quotas of IAM', () => {
  test("are the account's own, or the documented default where they cannot be read", async () => {
    const { clock, endpoint } = fixture
    const environment = { AWS_ENDPOINT_URL: endpoint }
    const account = await openAccount({ endpoint, region: REGION, credentials: fixture.otherAdmin })
    fixture.aws.setQuota({ name: 'trustPolicyCharacters', accountId: OTHER_ACCOUNT, value: 4096 })
    const live = await readIamQuota(account, 'trust-policy-characters', { environment, clock })
    expect(live).toEqual({ value: 4096, isLive: true, text: '4096 (Service Quotas L-C07B4B0D)' })
    const nobody = { AWS_ENDPOINT_URL_SERVICE_QUOTAS: 'http://127.0.0.1:1' }
    const documented = await readIamQuota(account, 'trust-policy-characters', {
      environment: nobody,
      clock,
    })
    expect(documented).toMatchObject({ value: 2048, isLive: false })
    expect(documented.text).toContain('as documented in October 2026')
  })
})

describe('openAccount', () => {
  test('a key that nobody issued, and no key at all', async () => {
    const wrong = {
      endpoint: fixture.endpoint,
      region: REGION,
      credentials: { accessKeyId: 'AKIAX', secretAccessKey: 'y' },
    }
    expect(await openAccount(wrong).catch(codeOf)).toBe('InvalidClientTokenId')
    const away = { ...wrong, endpoint: 'http://127.0.0.1:1' }
    expect(await openAccount(away).catch(codeOf)).toBe('AwsUnreachable')
    const profile = { profile: 'podrole-test-no-such-profile', region: REGION }
    expect(await openAccount(profile).catch(codeOf)).toBe('NoAwsCredentials')
  }, 30_000)
})
