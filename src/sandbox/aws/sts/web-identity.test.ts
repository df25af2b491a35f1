/** What a web identity token may say, and what a trust policy sees of it. */
import {
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam'
import {
  AssumeRoleWithWebIdentityCommand,
  type AssumeRoleWithWebIdentityCommandOutput,
} from '@aws-sdk/client-sts'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHmac, createPublicKey } from 'node:crypto'
import { jwksOf } from '../../../issuer/documents.ts'
import { generateSigningKey, type SigningKey } from '../../../issuer/keys.ts'
import { signToken } from '../../../issuer/sign.ts'
import {
  ACCOUNT,
  type AwsFixture,
  type Clients,
  ISSUER,
  OTHER_ACCOUNT,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'
import data from './testdata/web-identity-trust.json'

const HOST_PATH = ISSUER.slice('https://'.length)
const providerOf = (account: string, hostPath = HOST_PATH): string =>
  `arn:aws:iam::${account}:oidc-provider/${hostPath}`
const WEB = 'sts:AssumeRoleWithWebIdentity'
const SUBJECT = 'system:serviceaccount:apps:web'
const TAGS = 'https://aws.amazon.com/tags'
const ROLES = 'https://aws.amazon.com/roles'
type Claims = Readonly<Record<string, unknown>>

let fixture: AwsFixture
let admin: Clients
let made = 0

beforeAll(async () => {
  fixture = await startAwsFixture()
  admin = fixture.clients(fixture.admin)
  const ClientIDList = ['sts.amazonaws.com', 'second']
  await admin.iam.send(new CreateOpenIDConnectProviderCommand({ Url: ISSUER, ClientIDList }))
})
afterAll(() => fixture.stop())

/** The ARN of a new role that trusts the issuer under that condition. */
async function trusting(
  condition: object | undefined,
  options: { actions?: readonly string[]; path?: string; provider?: string } = {},
): Promise<string> {
  made += 1
  const { actions = [WEB, 'sts:TagSession'], path = '/', provider } = options
  const { Role } = await admin.iam.send(
    new CreateRoleCommand({
      RoleName: `role-${made}`,
      Path: path,
      AssumeRolePolicyDocument: trustOf(
        { Federated: provider ?? providerOf(ACCOUNT) },
        actions,
        condition,
      ),
    }),
  )
  return Role?.Arn ?? ''
}

const send = (
  RoleArn: string,
  WebIdentityToken: string,
  more: object = {},
): Promise<AssumeRoleWithWebIdentityCommandOutput> =>
  admin.sts.send(
    new AssumeRoleWithWebIdentityCommand({
      RoleArn,
      RoleSessionName: 'pod',
      WebIdentityToken,
      ...more,
    }),
  )

/** `allowed`, or the code of the refusal. */
async function outcome(roleArn: string, claims: Claims = {}): Promise<string> {
  const call = send(roleArn, await fixture.token(claims))
  try {
    await call
    return 'allowed'
  } catch {
    return (await refusalOf(call)).code.replace(/Exception$/, '')
  }
}

const key = (name: string): string => `${HOST_PATH}:${name}`
const EQUALS_SUBJECT = { StringEquals: { [key('sub')]: SUBJECT } }
const tags = (principal: object, transitive?: readonly string[]): Claims => ({
  [TAGS]: { principal_tags: principal, ...(transitive && { transitive_tag_keys: transitive }) },
})

const filled = (value: object): object =>
  JSON.parse(JSON.stringify(value).replaceAll('$ISSUER', HOST_PATH)) as object

describe('a trust policy sees', () => {
  for (const { name, condition, claims, wanted } of data.cases) {
    test(name, async () => {
      const role = await trusting(filled(condition))
      expect(await outcome(role, { ...claims })).toBe(wanted)
    })
  }
})

describe('the roles claim', () => {
  test('names roles exactly, in an array or between semicolons, and a trust can ask for it', async () => {
    const role = await trusting({ Bool: { 'sts:RoleAuthorizedByIdp': 'true' } }, { path: '/a/b/' })
    expect(role).toContain(':role/a/b/role-')
    const short = role.replace('/a/b/', '/')
    const seen: [unknown, string][] = [
      [[role], 'allowed'],
      [['arn:aws:iam::111122223333:role/x', role], 'allowed'],
      [role, 'allowed'],
      [`arn:aws:iam::111122223333:role/x;${role}`, 'allowed'],
      [[short], 'InvalidIdentityToken'],
      [`${short};${role}x`, 'InvalidIdentityToken'],
      [[role.toUpperCase()], 'InvalidIdentityToken'],
      [[role.replace(/role-\d+$/, '*')], 'InvalidIdentityToken'],
      [[], 'InvalidIdentityToken'],
      [{}, 'InvalidIdentityToken'],
    ]
    for (const [roles, wanted] of seen) expect(await outcome(role, { [ROLES]: roles })).toBe(wanted)
    expect(await outcome(role)).toBe('AccessDenied')
  })

  test('comes before the trust policy', async () => {
    const role = await trusting({ StringEquals: { [key('sub')]: 'nobody' } })
    expect(await outcome(role, { [ROLES]: ['arn:aws:iam::111122223333:role/x'] })).toBe(
      'InvalidIdentityToken',
    )
    expect(await outcome(role, { [ROLES]: [role] })).toBe('AccessDenied')
  })
})

describe('tags are refused', () => {
  const many = (count: number): object =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, ['v']]))
  const bad: [name: string, claims: Claims][] = [
    ['the 51st', tags(many(51))],
    ['a key of 129 characters', tags({ ['k'.repeat(129)]: ['v'] })],
    ['a value of 257 characters', tags({ k: ['v'.repeat(257)] })],
    ['an empty key', tags({ '': ['v'] })],
    ['a reserved key', tags({ 'aws:x': ['v'] })],
    ['keys that differ by case alone', tags({ a: ['v'], A: ['v'] })],
    ['two values', tags({ a: ['v', 'w'] })],
    ['two forms that disagree', { ...tags({ a: ['v'] }), [`${TAGS}/principal_tags/a`]: 'w' }],
  ]
  for (const [name, claims] of bad) {
    test(name, async () => {
      const role = await trusting(undefined)
      expect(await outcome(role, claims)).toBe('InvalidIdentityToken')
    })
  }

  test('not the 50th', async () => {
    expect(await outcome(await trusting(undefined), tags(many(50)))).toBe('allowed')
  })

  test('where sts:TagSession is missing, though no condition looks at them', async () => {
    const role = await trusting(undefined, { actions: [WEB] })
    expect(await outcome(role)).toBe('allowed')
    expect(await outcome(role, tags({ a: ['b'] }))).toBe('AccessDenied')
  })

  test('where they make the session token longer than 4,096 bytes', async () => {
    const value = (): string =>
      Buffer.from(crypto.getRandomValues(new Uint8Array(96))).toString('hex')
    const long = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`k${n}`, [value()]]))
    const role = await trusting(undefined)
    const refusal = await refusalOf(send(role, await fixture.token(tags(long))))
    expect(refusal).toMatchObject({ status: 400 })
    expect(refusal.code).toStartWith('PackedPolicyTooLarge')
  })
})

describe('the session', () => {
  test('carries aud, sub, amr and the provider, not email and oaud', async () => {
    const role = await trusting(undefined)
    const statement = (condition: object): string =>
      JSON.stringify({
        Version: '2012-10-17',
        Statement: { Effect: 'Allow', Action: '*', Resource: '*', Condition: condition },
      })
    const PolicyDocument = statement({
      StringEquals: {
        [key('aud')]: 'second',
        [key('sub')]: SUBJECT,
        'aws:FederatedProvider': providerOf(ACCOUNT),
        'aws:PrincipalTag/team': 'red',
        'aws:PrincipalArn': role,
      },
      'ForAnyValue:StringEquals': { [key('amr')]: 'mfa' },
      Null: { [key('email')]: 'true', [key('oaud')]: 'true', 'aws:RequestTag/team': 'true' },
    })
    const put = { RoleName: role.split('/').at(-1) ?? '', PolicyName: 'own', PolicyDocument }
    await admin.iam.send(new PutRolePolicyCommand(put))
    const claims = { azp: 'second', aud: ['x', 'y'], amr: ['mfa'], email: 'a@b.example' }
    const token = await fixture.token({ ...claims, ...tags({ team: ['red'] }) })
    const { Credentials } = await send(role, token)
    const keys = {
      accessKeyId: Credentials?.AccessKeyId ?? '',
      secretAccessKey: Credentials?.SecretAccessKey ?? '',
      sessionToken: Credentials?.SessionToken ?? '',
    }
    const call = { keys, service: 'iam', body: 'Action=ListRoles&Version=2010-05-08' }
    expect((await fixture.call(call)).status).toBe(200)
  })

  test('tells the size of its token on the wire', async () => {
    const role = await trusting(undefined)
    const ask = async (more: string): Promise<string> => {
      const form = new URLSearchParams({
        Action: 'AssumeRoleWithWebIdentity',
        Version: '2011-06-15',
        RoleArn: role,
        RoleSessionName: 'pod',
        WebIdentityToken: await fixture.token(),
      })
      const response = await fetch(fixture.endpoint, {
        method: 'POST',
        body: `${form.toString()}${more}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        proxy: false,
        signal: AbortSignal.timeout(5000),
      })
      return response.text()
    }
    const text = await ask('&MinimumSessionTokenSize=2048')
    expect(text).toContain('<SessionTokenSize>2048</SessionTokenSize>')
    expect(text).toContain('<SessionTokenUtilization>50</SessionTokenUtilization>')
    expect(text).toContain('<PackedPolicySize>50</PackedPolicySize>')
    expect(/<SessionToken>(.*)<\/SessionToken>/.exec(text)?.[1]).toHaveLength(2048)
    expect(await ask('&MinimumSessionTokenSize=4097')).toContain('<Code>ValidationError</Code>')
  })
})

describe('forged tokens', () => {
  const encode = (value: object | string): string =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

  test('are refused with InvalidIdentityToken, whatever made them', async () => {
    const role = await trusting(EQUALS_SUBJECT)
    const good = await fixture.token()
    expect(await outcome(role)).toBe('allowed')
    const [header = '', payload = '', signature = ''] = good.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
    const { kid } = fixture.key
    const publicKey = createPublicKey({ key: { ...fixture.key.publicJwk }, format: 'jwk' })
    const hmac = (secret: string | Buffer): string => {
      const signed = `${encode({ alg: 'HS256', kid })}.${payload}`
      return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
    }
    const other = await generateSigningKey()
    const sameKid: SigningKey = { ...other, kid }
    const forged: [name: string, token: string][] = [
      ['an altered payload', `${header}.${encode({ ...claims, sub: 'x' })}.${signature}`],
      ['alg none', `${encode({ alg: 'none', kid })}.${payload}.`],
      ['alg none with a signature', `${encode({ alg: 'none', kid })}.${payload}.${signature}`],
      ['alg None', `${encode({ alg: 'None', kid })}.${payload}.`],
      ['no signature', `${header}.${payload}.`],
      ['HS256, PEM', hmac(publicKey.export({ type: 'spki', format: 'pem' }))],
      ['HS256, DER', hmac(publicKey.export({ type: 'spki', format: 'der' }))],
      ['HS256, JWK', hmac(JSON.stringify(fixture.key.publicJwk))],
      ['an unknown kid', (await signToken({ ...other, kid: 'x' }, { ...claims })).reveal()],
      ['a known kid of another key', (await signToken(sameKid, { ...claims })).reveal()],
      [
        'a key of its own',
        `${encode({ alg: 'ES256', jwk: other.publicJwk })}.${payload}.${signature}`,
      ],
      ['ES384 of the same key', `${encode({ alg: 'ES384', kid })}.${payload}.${signature}`],
      ['EdDSA', `${encode({ alg: 'EdDSA', kid })}.${payload}.${signature}`],
      [
        'a time that is no integer',
        (await signToken(fixture.key, { ...claims, exp: 9e9 + 0.5 })).reveal(),
      ],
    ]
    for (const [name, token] of forged) {
      const refusal = await refusalOf(send(role, token))
      expect([name, refusal.code.replace(/Exception$/, ''), refusal.status]).toEqual([
        name,
        'InvalidIdentityToken',
        400,
      ])
    }
  })

  test('a token over 20,000 or under 4 characters has the wrong shape', async () => {
    const role = await trusting(undefined)
    const long = await fixture.token({ x: 'y'.repeat(20_000) })
    for (const token of [long, 'abc']) {
      const refusal = await refusalOf(send(role, token))
      expect([refusal.code, refusal.status]).toEqual(['ValidationError', 400])
      expect(refusal.message).not.toContain(token)
    }
  })
})

describe('a role', () => {
  test('is trusted by the whole of its path', async () => {
    const role = await trusting(undefined, { path: '/team/a/' })
    expect(await outcome(role)).toBe('allowed')
    expect(await outcome(role.replace('/team/a/', '/'))).toBe('AccessDenied')
    expect(await outcome(role.replace('/team/a/', '/team/b/'))).toBe('AccessDenied')
  })

  test('that trusts a provider of another account has none', async () => {
    const role = await trusting(undefined, { provider: providerOf(OTHER_ACCOUNT) })
    expect(await outcome(role)).toBe('AccessDenied')
  })

  test('another account needs a provider of its own', async () => {
    const other = fixture.clients(fixture.otherAdmin).iam
    const trust = trustOf({ Federated: providerOf(ACCOUNT) }, WEB)
    const made = await other.send(
      new CreateRoleCommand({ RoleName: 'far', AssumeRolePolicyDocument: trust }),
    )
    const far = made.Role?.Arn ?? ''
    expect(await outcome(far)).toBe('InvalidIdentityToken')
    const ClientIDList = ['sts.amazonaws.com']
    await other.send(new CreateOpenIDConnectProviderCommand({ Url: ISSUER, ClientIDList }))
    expect(await outcome(far)).toBe('AccessDenied')
  })
})

describe('of several faults the first is told:', () => {
  const other = { sub: 'system:serviceaccount:apps:other' }
  const ask = async (claims: Claims, more: object): Promise<[string, string]> => {
    const token = await fixture.token(claims)
    const refusal = await refusalOf(send(await trusting(EQUALS_SUBJECT), token, more))
    return [refusal.code.replace(/Exception$/, ''), refusal.message]
  }
  const rows: [name: string, claims: () => Claims, more: object, code: string, text: RegExp][] = [
    [
      'the shape of a parameter before the token',
      () => ({ aud: 'x' }),
      { DurationSeconds: 899 },
      'ValidationError',
      /'durationSeconds'/,
    ],
    [
      'the audience before the time',
      () => ({ aud: 'x', exp: 1 }),
      {},
      'InvalidIdentityToken',
      /^Incorrect token audience$/,
    ],
    ['the time before the roles claim', () => ({ exp: 1, [ROLES]: [] }), {}, 'ExpiredToken', /./],
    [
      'the roles claim before the trust policy',
      () => ({ ...other, [ROLES]: [] }),
      {},
      'InvalidIdentityToken',
      /roles claim/,
    ],
    [
      'the trust policy before the duration',
      () => other,
      { DurationSeconds: 3601 },
      'AccessDenied',
      /^Not authorized to perform sts:AssumeRoleWithWebIdentity$/,
    ],
    [
      'the range of the duration before the role',
      () => other,
      { DurationSeconds: 43_201 },
      'ValidationError',
      /43200/,
    ],
  ]
  for (const [name, claims, more, code, text] of rows) {
    test(name, async () => {
      const [told, message] = await ask(claims(), more)
      expect(told).toBe(code)
      expect(message).toMatch(text)
    })
  }
})

describe('an issuer', () => {
  async function publish(host: string, document: object, keys: unknown): Promise<string> {
    const issuer = `https://${host}.issuer.sandbox`
    fixture.aws.addIssuer(host, (request) =>
      Response.json(
        request.url.endsWith('/keys.json')
          ? keys
          : { issuer, jwks_uri: `${issuer}/keys.json`, ...document },
      ),
    )
    const ClientIDList = ['sts.amazonaws.com']
    await admin.iam.send(new CreateOpenIDConnectProviderCommand({ Url: issuer, ClientIDList }))
    return issuer
  }
  const LISTS = {
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  }
  const roleFor = (issuer: string): Promise<string> =>
    trusting(undefined, { provider: providerOf(ACCOUNT, issuer.slice('https://'.length)) })

  test("whose document lists fewer claims, as EKS's own do, is taken", async () => {
    const document = { ...LISTS, claims_supported: ['sub', 'iss'] }
    const iss = await publish('eks-like', document, jwksOf([fixture.key]))
    expect(await outcome(await roleFor(iss), { iss })).toBe('allowed')
  })

  test('with more than 100 keys of a type is refused for that type alone', async () => {
    const rsa = await generateSigningKey('RS256')
    const many = Array.from({ length: 101 }, (_, index) => ({
      ...rsa.publicJwk,
      kid: index === 0 ? rsa.kid : `kid-${index}`,
    }))
    const document = { ...LISTS, claims_supported: ['sub', 'iss'] }
    const iss = await publish('many', document, { keys: [...many, fixture.key.publicJwk] })
    const role = await roleFor(iss)
    expect(await outcome(role, { iss })).toBe('allowed')
    const [, payload = ''] = (await fixture.token({ iss })).split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Claims
    const token = (await signToken(rsa, claims)).reveal()
    const refusal = await refusalOf(send(role, token))
    expect(refusal.code).toStartWith('InvalidIdentityToken')
    expect(refusal.message).toStartWith("Couldn't retrieve verification key")
  })

  test('that cannot be reached is refused', async () => {
    const iss = 'https://nowhere.example/id'
    const ClientIDList = ['sts.amazonaws.com']
    await admin.iam.send(new CreateOpenIDConnectProviderCommand({ Url: iss, ClientIDList }))
    const token = await fixture.token({ iss })
    const refusal = await refusalOf(send(await roleFor(iss), token))
    expect(refusal.code).toStartWith('InvalidIdentityToken')
    expect(refusal.message).toBe(
      "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements",
    )
  })

  test('without any key is refused', async () => {
    const iss = await publish('none', { ...LISTS, claims_supported: ['sub'] }, { keys: [] })
    expect(await outcome(await roleFor(iss), { iss })).toBe('InvalidIdentityToken')
  })
})
