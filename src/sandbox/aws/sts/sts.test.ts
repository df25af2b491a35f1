import {
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  DeleteRoleCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import {
  AssumeRoleCommand,
  AssumeRoleWithWebIdentityCommand,
  GetCallerIdentityCommand,
} from '@aws-sdk/client-sts'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import { generateSigningKey } from '../../../issuer/keys.ts'
import { issuerApp } from '../../../issuer/issuer-app.ts'
import { jwksOf } from '../../../issuer/documents.ts'
import { signToken } from '../../../issuer/sign.ts'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  type Clients,
  ISSUER,
  type Keys,
  OTHER_ACCOUNT,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'

const HOST_PATH = ISSUER.slice('https://'.length)
const PROVIDER = `arn:aws:iam::${ACCOUNT}:oidc-provider/${HOST_PATH}`
const WEB = 'sts:AssumeRoleWithWebIdentity'
const CONDITION = {
  StringEquals: {
    [`${HOST_PATH}:aud`]: 'sts.amazonaws.com',
    [`${HOST_PATH}:sub`]: 'system:serviceaccount:apps:web',
  },
}

let fixture: AwsFixture
let admin: Clients
const arnOf = (name: string, account = ACCOUNT): string => `arn:aws:iam::${account}:role/${name}`

async function createRole(name: string, trust: string, more: object = {}): Promise<void> {
  const command = new CreateRoleCommand({
    RoleName: name,
    AssumeRolePolicyDocument: trust,
    ...more,
  })
  await admin.iam.send(command)
}

function keysOf(answer: { Credentials?: unknown }): Keys {
  const found = answer.Credentials as Record<string, string>
  return {
    accessKeyId: found['AccessKeyId'] ?? '',
    secretAccessKey: found['SecretAccessKey'] ?? '',
    sessionToken: found['SessionToken'] ?? '',
  }
}

beforeAll(async () => {
  fixture = await startAwsFixture()
  admin = fixture.clients(fixture.admin)
  await admin.iam.send(
    new CreateOpenIDConnectProviderCommand({ Url: ISSUER, ClientIDList: ['sts.amazonaws.com'] }),
  )
  await createRole('web', trustOf({ Federated: PROVIDER }, WEB, CONDITION))
  await createRole('tagged', trustOf({ Federated: PROVIDER }, [WEB, 'sts:TagSession'], CONDITION))
})
afterAll(() => fixture.stop())

const assume = (
  token: string,
  more: object = {},
): Promise<Record<string, unknown> & { Credentials?: unknown }> =>
  admin.sts.send(
    new AssumeRoleWithWebIdentityCommand({
      RoleArn: arnOf('web'),
      RoleSessionName: 'pod',
      WebIdentityToken: token,
      ...more,
    }),
  ) as never

describe('GetCallerIdentity', () => {
  test('tells who signed', async () => {
    const answer = await admin.sts.send(new GetCallerIdentityCommand())
    expect(answer.Account).toBe(ACCOUNT)
    expect(answer.Arn).toBe(`arn:aws:iam::${ACCOUNT}:user/admin`)
    expect(answer.UserId).toMatch(/^AIDA[A-Z2-7]{17}$/)
  })

  test('answers JSON where the caller accepts it', async () => {
    const response = await fixture.call({
      keys: fixture.admin,
      service: 'sts',
      body: 'Action=GetCallerIdentity&Version=2011-06-15',
      headers: { accept: 'application/json' },
    })
    const body = (await response.json()) as never
    expect(body).toMatchObject({
      GetCallerIdentityResponse: { GetCallerIdentityResult: { Account: ACCOUNT } },
    })
  })
})

describe('AssumeRoleWithWebIdentity', () => {
  test('gives credentials that are the role', async () => {
    const answer = await assume(await fixture.token())
    expect(answer).toMatchObject({
      SubjectFromWebIdentityToken: 'system:serviceaccount:apps:web',
      Audience: 'sts.amazonaws.com',
      Provider: ISSUER,
      AssumedRoleUser: { Arn: `arn:aws:sts::${ACCOUNT}:assumed-role/web/pod` },
    })
    const who = await fixture.clients(keysOf(answer)).sts.send(new GetCallerIdentityCommand())
    expect(who.Arn).toBe(`arn:aws:sts::${ACCOUNT}:assumed-role/web/pod`)
    expect(who.UserId).toMatch(/^AROA[A-Z2-7]{17}:pod$/)
  })

  test('session policies and permissions hold', async () => {
    await createRole('reader', trustOf({ Federated: PROVIDER }, WEB, CONDITION))
    await admin.iam.send(
      new PutRolePolicyCommand({
        RoleName: 'reader',
        PolicyName: 'list',
        PolicyDocument: allowOf('iam:ListRoles'),
      }),
    )
    const free = await assume(await fixture.token(), { RoleArn: arnOf('reader') })
    const bound = await assume(await fixture.token(), {
      RoleArn: arnOf('reader'),
      Policy: allowOf('s3:GetObject'),
    })
    const call = { service: 'iam', body: 'Action=ListRoles&Version=2010-05-08' }
    expect((await fixture.call({ ...call, keys: keysOf(free) })).status).toBe(200)
    expect((await fixture.call({ ...call, keys: keysOf(bound) })).status).toBe(403)
  })

  const seconds = (offset: number): number => Math.floor(fixture.clock.now() / 1000) + offset
  const cases: [name: string, claims: () => Record<string, unknown>, code: string, text: RegExp][] =
    [
      ['audience', () => ({ aud: ['other'] }), 'InvalidIdentityToken', /Incorrect token audience/],
      [
        'two audiences',
        () => ({ aud: ['sts.amazonaws.com', 'b'] }),
        'InvalidIdentityToken',
        /more than one audience/,
      ],
      [
        'azp instead of aud',
        () => ({ azp: 'other' }),
        'InvalidIdentityToken',
        /Incorrect token audience/,
      ],
      [
        'subject',
        () => ({ sub: 'system:serviceaccount:apps:other' }),
        'AccessDenied',
        /^Not authorized to perform sts:AssumeRoleWithWebIdentity$/,
      ],
      [
        'issuer',
        () => ({ iss: 'https://red.issuer.sandbox' }),
        'InvalidIdentityToken',
        /No OpenIDConnect provider found in your account for https:\/\/red.issuer.sandbox/,
      ],
      [
        'issuer with a slash',
        () => ({ iss: `${ISSUER}/` }),
        'InvalidIdentityToken',
        /No OpenIDConnect provider/,
      ],
      [
        'expired',
        () => ({ exp: seconds(-301) }),
        'ExpiredTokenException',
        /^Token expired: current date\/time \d+ must be before the expiration date\/time \d+$/,
      ],
      ['not yet valid', () => ({ nbf: seconds(302) }), 'InvalidIdentityToken', /not a valid JWT/],
      [
        'without iat',
        () => ({ iat: undefined }),
        'InvalidIdentityToken',
        /^Missing a required claim: iat$/,
      ],
      [
        'without sub',
        () => ({ sub: undefined }),
        'InvalidIdentityToken',
        /^Missing a required claim: sub$/,
      ],
      [
        'tags without TagSession',
        () => ({ 'https://aws.amazon.com/tags': { principal_tags: { a: ['b'] } } }),
        'AccessDenied',
        /Not authorized/,
      ],
      [
        'tags of two values',
        () => ({ 'https://aws.amazon.com/tags': { principal_tags: { a: ['b', 'c'] } } }),
        'InvalidIdentityToken',
        /not in correct format/,
      ],
      [
        'tags of wrong characters',
        () => ({ 'https://aws.amazon.com/tags': { principal_tags: { a: ['b*'] } } }),
        'InvalidIdentityToken',
        /not in correct format/,
      ],
      [
        'roles claim',
        () => ({ 'https://aws.amazon.com/roles': [arnOf('tagged')] }),
        'InvalidIdentityToken',
        /^The target role ARN is not present in the roles claim of the identity token$/,
      ],
      [
        'source identity',
        () => ({ 'https://aws.amazon.com/source_identity': 'me' }),
        'AccessDenied',
        /Not authorized/,
      ],
    ]
  for (const [name, claims, code, text] of cases) {
    test(`refuses: ${name}`, async () => {
      const refusal = await refusalOf(assume(await fixture.token(claims())))
      expect(refusal.code).toStartWith(code)
      expect(refusal.message).toMatch(text)
      expect(refusal.status).toBe(code === 'AccessDenied' ? 403 : 400)
    })
  }

  test('takes five minutes after exp and before nbf, azp and a roles claim that names the role', async () => {
    await assume(await fixture.token({ exp: seconds(-290) }))
    await assume(await fixture.token({ nbf: seconds(290), iat: seconds(290) }))
    await assume(await fixture.token({ azp: 'sts.amazonaws.com', aud: ['a', 'b'] }))
    await assume(await fixture.token({ 'https://aws.amazon.com/roles': [arnOf('web')] }))
    await assume(await fixture.token({ 'https://aws.amazon.com/roles': `x; ${arnOf('web')}` }))
  })

  test('refuses forged tokens: unknown key, altered payload, alg none, HS256 by the public key', async () => {
    const good = await fixture.token()
    const [header = '', payload = '', signature = ''] = good.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
    const encode = (value: object): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url')
    const altered = encode({ ...claims, jti: 'x' })
    const none = encode({ alg: 'none', kid: fixture.key.kid })
    const hs = encode({ alg: 'HS256', kid: fixture.key.kid })
    const mac = createHmac('sha256', JSON.stringify(fixture.key.publicJwk)).update(
      `${hs}.${payload}`,
    )
    const stranger = (await signToken(await generateSigningKey(), { ...claims })).reveal()
    const forged = [
      `${header}.${altered}.${signature}`,
      `${none}.${payload}.`,
      `${hs}.${payload}.${mac.digest('base64url')}`,
      stranger,
      'a.b.c',
      'abcd',
    ]
    for (const token of forged) {
      const refusal = await refusalOf(assume(token))
      expect(refusal.code).toStartWith('InvalidIdentityToken')
      expect(refusal.message).not.toContain(payload)
    }
  })

  test('needs the whole discovery document', async () => {
    const { names, aws } = fixture
    const issuer = 'https://poor.issuer.sandbox'
    const { key } = fixture
    const whole = issuerApp({ issuer, jwks: () => jwksOf([key]) })
    let without = ''
    aws.addIssuer('poor', async (request, client) => {
      const response = await whole(request, client)
      if (!request.url.endsWith('openid-configuration')) return response
      const document = (await response.json()) as Record<string, unknown>
      delete document[without]
      return Response.json(document)
    })
    expect(names.resolve('poor.issuer.sandbox')).toBeDefined()
    await admin.iam.send(
      new CreateOpenIDConnectProviderCommand({ Url: issuer, ClientIDList: ['sts.amazonaws.com'] }),
    )
    const poor = `arn:aws:iam::${ACCOUNT}:oidc-provider/poor.issuer.sandbox`
    await createRole('poor', trustOf({ Federated: poor }, WEB))
    const token = await fixture.token({ iss: issuer })
    for (const field of [
      'issuer',
      'jwks_uri',
      'claims_supported',
      'response_types_supported',
      'subject_types_supported',
      'id_token_signing_alg_values_supported',
    ]) {
      without = field
      const refusal = await refusalOf(assume(token, { RoleArn: arnOf('poor') }))
      expect(refusal.code).toStartWith('InvalidIdentityToken')
      expect(refusal.message).toMatch(
        /^Couldn't retrieve verification key from your identity provider, {2}/,
      )
    }
    without = ''
    await assume(token, { RoleArn: arnOf('poor') })
  })

  const parameters: [name: string, more: object, text: RegExp][] = [
    [
      'short duration',
      { DurationSeconds: 899 },
      /Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900/,
    ],
    [
      'duration over the role',
      { DurationSeconds: 3601 },
      /exceeds the MaxSessionDuration set for this role/,
    ],
    [
      'session name',
      { RoleSessionName: 'a b' },
      /at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: \[\\w\+=,\.@-\]\*/,
    ],
    ['role ARN', { RoleArn: 'arn:aws:iam::111122223333:user/x' }, /^Request ARN is invalid$/],
    ['token', { WebIdentityToken: 'abc' }, /Value '\*\*\*' at 'webIdentityToken'/],
  ]
  for (const [name, more, text] of parameters) {
    test(`refuses by ValidationError: ${name}`, async () => {
      const refusal = await refusalOf(assume(await fixture.token(), more))
      expect(refusal).toMatchObject({ code: 'ValidationError', status: 400 })
      expect(refusal.message).toMatch(text)
    })
  }

  test('a role that does not exist, a policy that is none', async () => {
    const token = await fixture.token()
    const missing = await refusalOf(assume(token, { RoleArn: arnOf('nobody') }))
    expect(missing).toMatchObject({ code: 'AccessDenied', status: 403 })
    const policy = await refusalOf(assume(token, { Policy: '{' }))
    expect(policy.code).toStartWith('MalformedPolicyDocument')
  })

  test('tags of a token are the session, pass on, and cannot be set again', async () => {
    const tags = {
      principal_tags: { team: ['blue'], stage: ['prod'] },
      transitive_tag_keys: ['team'],
    }
    const token = await fixture.token({ 'https://aws.amazon.com/tags': tags })
    const answer = await assume(token, { RoleArn: arnOf('tagged') })
    await admin.iam.send(
      new PutRolePolicyCommand({
        RoleName: 'tagged',
        PolicyName: 'own',
        PolicyDocument: JSON.stringify({
          Version: '2012-10-17',
          Statement: [
            {
              Effect: 'Allow',
              Action: 'iam:GetRole',
              Resource: '*',
              Condition: { StringEquals: { 'aws:PrincipalTag/stage': 'prod' } },
            },
          ],
        }),
      }),
    )
    const call = { keys: keysOf(answer), service: 'iam' }
    const get = await fixture.call({
      ...call,
      body: 'Action=GetRole&RoleName=web&Version=2010-05-08',
    })
    expect(get.status).toBe(200)
    const trust = trustOf({ AWS: arnOf('tagged') }, ['sts:AssumeRole', 'sts:TagSession'], {
      StringEquals: { 'aws:RequestTag/team': 'blue' },
      Null: { 'aws:RequestTag/stage': 'true' },
    })
    await createRole('next', trust)
    const { sts } = fixture.clients(keysOf(answer))
    const next = { RoleArn: arnOf('next'), RoleSessionName: 'hop' }
    await sts.send(new AssumeRoleCommand(next))
    const again = { ...next, Tags: [{ Key: 'TEAM', Value: 'red' }] }
    expect(await refusalOf(sts.send(new AssumeRoleCommand(again)))).toMatchObject({
      code: 'InvalidParameterValue',
    })
  })

  test('a provider serves its own account alone', async () => {
    const other = fixture.clients(fixture.otherAdmin)
    await other.iam.send(
      new CreateRoleCommand({
        RoleName: 'web',
        AssumeRolePolicyDocument: trustOf({ Federated: PROVIDER }, WEB, CONDITION),
      }),
    )
    const RoleArn = arnOf('web', OTHER_ACCOUNT)
    const refusal = await refusalOf(assume(await fixture.token(), { RoleArn }))
    expect(refusal.code).toStartWith('InvalidIdentityToken')
    expect(refusal.message).toContain('No OpenIDConnect provider found')
  })
})

describe('AssumeRole', () => {
  const user = `arn:aws:iam::${ACCOUNT}:user/admin`

  test('external id, tags, durations and chaining', async () => {
    const actions = ['sts:AssumeRole', 'sts:TagSession']
    const condition = { StringEquals: { 'sts:ExternalId': 'abc' } }
    await createRole('first', trustOf({ AWS: user }, actions, condition), {
      MaxSessionDuration: 7200,
    })
    await createRole('second', trustOf({ AWS: arnOf('first') }, actions), {
      MaxSessionDuration: 7200,
    })
    const first = { RoleArn: arnOf('first'), RoleSessionName: 'one', DurationSeconds: 7200 }
    const refused = await refusalOf(admin.sts.send(new AssumeRoleCommand(first)))
    expect(refused).toMatchObject({ code: 'AccessDenied', status: 403 })
    expect(refused.message).toStartWith(
      `User: ${user} is not authorized to perform: sts:AssumeRole on resource: ${arnOf('first')}`,
    )
    const answer = await admin.sts.send(new AssumeRoleCommand({ ...first, ExternalId: 'abc' }))
    expect(answer.PackedPolicySize).toBeGreaterThan(0)
    const { sts } = fixture.clients(keysOf(answer))
    const second = { RoleArn: arnOf('second'), RoleSessionName: 'two' }
    await sts.send(new AssumeRoleCommand(second))
    const long = await refusalOf(
      sts.send(new AssumeRoleCommand({ ...second, DurationSeconds: 3601 })),
    )
    expect(long.message).toBe(
      'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.',
    )
  })

  test('source identity needs its permission and stays', async () => {
    const actions = ['sts:AssumeRole', 'sts:SetSourceIdentity']
    await createRole('source', trustOf({ AWS: user }, actions))
    await createRole('source-next', trustOf({ AWS: arnOf('source') }, actions))
    await createRole('source-never', trustOf({ AWS: arnOf('source') }, 'sts:AssumeRole'))
    const begun = await admin.sts.send(
      new AssumeRoleCommand({
        RoleArn: arnOf('source'),
        RoleSessionName: 'aa',
        SourceIdentity: 'ann',
      }),
    )
    const { sts } = fixture.clients(keysOf(begun))
    const hop = (name: string, more: object = {}): Promise<{ SourceIdentity?: string }> =>
      sts.send(
        new AssumeRoleCommand({ RoleArn: arnOf(name), RoleSessionName: 'bb', ...more }),
      ) as never
    expect((await hop('source-next')).SourceIdentity).toBe('ann')
    expect((await refusalOf(hop('source-never'))).code).toBe('AccessDenied')
    expect((await refusalOf(hop('source-next', { SourceIdentity: 'bob' }))).message).toContain(
      'already set',
    )
  })

  test('a role made again is somebody else', async () => {
    await createRole('gone', trustOf({ AWS: user }, 'sts:AssumeRole'))
    await createRole('truster', trustOf({ AWS: arnOf('gone') }, 'sts:AssumeRole'))
    const begin = { RoleArn: arnOf('gone'), RoleSessionName: 'aa' }
    const old = await admin.sts.send(new AssumeRoleCommand(begin))
    const hop = { RoleArn: arnOf('truster'), RoleSessionName: 'bb' }
    await fixture.clients(keysOf(old)).sts.send(new AssumeRoleCommand(hop))
    await admin.iam.send(new DeleteRoleCommand({ RoleName: 'gone' }))
    await createRole('gone', trustOf({ AWS: user }, 'sts:AssumeRole'))
    const fresh = await admin.sts.send(new AssumeRoleCommand(begin))
    const { sts } = fixture.clients(keysOf(fresh))
    expect((await refusalOf(sts.send(new AssumeRoleCommand(hop)))).code).toBe('AccessDenied')
    const stale = fixture.clients(keysOf(old)).sts
    expect((await refusalOf(stale.send(new GetCallerIdentityCommand()))).code).toBe(
      'InvalidClientTokenId',
    )
  })

  test('a session token over 4,096 bytes is refused', async () => {
    await createRole('packed', trustOf({ AWS: user }, ['sts:AssumeRole', 'sts:TagSession']))
    const random = (): string =>
      Buffer.from(crypto.getRandomValues(new Uint8Array(96))).toString('hex')
    const Tags = Array.from({ length: 50 }, (_, index) => ({ Key: `k${index}`, Value: random() }))
    const command = new AssumeRoleCommand({ RoleArn: arnOf('packed'), RoleSessionName: 'aa', Tags })
    expect((await refusalOf(admin.sts.send(command))).code).toStartWith('PackedPolicyTooLarge')
  })
})

test('no secret is in the log or among the decisions, and every decision says why', async () => {
  const { s3 } = fixture.clients(keysOf(await assume(await fixture.token())))
  await refusalOf(s3.send(new GetObjectCommand({ Bucket: 'nowhere', Key: 'x' })))
  const told = fixture.logLines.join('\n') + JSON.stringify(fixture.aws.decisions.recent())
  const secrets = fixture.aws.issuedSecrets()
  expect(secrets.length).toBeGreaterThan(10)
  for (const secret of secrets) expect(told).not.toContain(secret)
  const refusals = fixture.aws.decisions.recent().filter(({ allowed }) => !allowed)
  expect(refusals.length).toBeGreaterThan(10)
  for (const { reason, text } of refusals) expect(reason && text).toBeTruthy()
})
