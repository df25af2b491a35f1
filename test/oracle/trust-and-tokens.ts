/**
 * Generators of trust policies, as people write and miswrite them, and of web identity tokens.
 *
 * What AWS's documentation leaves open is left out, as in generate.ts; so is `aws:SecureTransport`,
 * which is false on the plain HTTP of a sandbox and true on AWS.
 */
import * as fc from 'fast-check'
import type { JsonPolicy, JsonStatement } from './oracle.ts'
import {
  claimKeyOf,
  type Condition,
  oneOrMore,
  pick,
  respell,
  setOperator,
  textOperator,
  trustOf,
  weighted,
  withIfExists,
} from './trust-parts.ts'
import type { Claims } from './web-identity.ts'
import {
  AUDIENCES,
  AWS_NAMES,
  FEDERATED,
  HOST,
  OTHER_HOST,
  providerArn,
  REQUEST_KEYS,
  ROLE_ARN,
  STRANGE_HOST,
  STS,
  SUBJECTS,
  TAG_KEYS,
  TAGS,
  VARIABLE_SUBJECTS,
  WANTED_AUDIENCES,
  WANTED_SUBJECTS,
  WANTED_TAGS,
} from './web-identity-pools.ts'

/** A trust policy, and tokens to be judged by it. */
export interface TrustQuestions {
  readonly trust: JsonPolicy
  readonly tokens: readonly Claims[]
}

const claimKey = claimKeyOf(HOST, OTHER_HOST)

const wantedSubject = weighted<string>([5, pick(WANTED_SUBJECTS)], [1, pick(VARIABLE_SUBJECTS)])

const condition = weighted<Condition>(
  [10, fc.tuple(textOperator, claimKey('sub'), oneOrMore(wantedSubject))],
  [6, fc.tuple(textOperator, claimKey('aud'), oneOrMore(pick(WANTED_AUDIENCES)))],
  [1, fc.tuple(setOperator, claimKey('oaud'), oneOrMore(pick([...AUDIENCES, 's*'])))],
  [1, fc.tuple(setOperator, claimKey('amr'), oneOrMore(pick(['mfa', 'pwd', '*'])))],
  [
    1,
    fc.tuple(
      textOperator,
      claimKey('email'),
      oneOrMore(pick(['a@shop.example', '*@shop.example'])),
    ),
  ],
  [
    3,
    pick(WANTED_TAGS).chain(([key, values]) =>
      fc.tuple(textOperator, respell(key), oneOrMore(pick(values))),
    ),
  ],
  [
    1,
    fc.tuple(
      setOperator,
      pick(['aws:TagKeys', 'sts:TransitiveTagKeys']).chain(respell),
      oneOrMore(pick([...TAG_KEYS, 'kubernetes-*', '*'])),
    ),
  ],
  [
    2,
    fc.tuple(
      withIfExists(fc.constant('Bool')),
      respell('sts:RoleAuthorizedByIdp'),
      pick<unknown>(['true', 'false', true, false]),
    ),
  ],
  [
    2,
    fc.tuple(
      fc.constant('Null'),
      weighted(
        [3, pick(['sub', 'aud', 'oaud', 'amr', 'email']).chain(claimKey)],
        [2, pick(['aws:RequestTag/kubernetes-namespace', 'aws:TagKeys', 'sts:SourceIdentity'])],
        [1, pick(['aws:PrincipalArn', 'sts:ExternalId', 'aws:FederatedProvider', 'aws:SourceIp'])],
      ),
      pick<unknown>(['true', 'false', true, false]),
    ),
  ],
  [1, fc.tuple(textOperator, fc.constant('sts:ExternalId'), pick(['shop', '*']))],
  [1, fc.tuple(textOperator, fc.constant('sts:SourceIdentity'), pick(['alice', 'a*']))],
)

/** What AWS alone knows before the call is made. */
const requestCondition = weighted<Condition>(
  [
    2,
    fc.tuple(
      withIfExists(pick(['IpAddress', 'NotIpAddress'])),
      respell('aws:SourceIp'),
      oneOrMore(pick(['127.0.0.0/8', '10.0.0.0/8', '0.0.0.0/0'])),
    ),
  ],
  [
    2,
    pick(Object.entries(REQUEST_KEYS).filter(([key]) => key !== 'aws:SourceIp')).chain(
      ([key, value]) =>
        fc.tuple(textOperator, respell(key), oneOrMore(pick([value, '*', 'p*', 'other']))),
    ),
  ],
)

const principal = weighted<JsonStatement['Principal'] & object>(
  [14, fc.constant({ Federated: providerArn(HOST) })],
  [4, oneOrMore(pick(FEDERATED)).map((Federated) => ({ Federated }))],
  [1, oneOrMore(pick(AWS_NAMES)).map((AWS) => ({ AWS }))],
  [
    2,
    fc
      .tuple(oneOrMore(pick(FEDERATED)), pick(AWS_NAMES))
      .map(([Federated, AWS]) => ({ Federated, AWS, Service: 'pods.eks.amazonaws.com' })),
  ],
  [1, fc.constant({ Service: ['pods.eks.amazonaws.com', 'ec2.amazonaws.com'] })],
)

const principalPart = weighted<Pick<JsonStatement, 'Principal'>>(
  [14, principal.map((Principal) => ({ Principal }))],
  [1, fc.constant({ Principal: '*' as const })],
)

const action = pick([
  'sts:AssumeRoleWithWebIdentity',
  'sts:AssumeRoleWithWebIdentity',
  'sts:assumerolewithwebidentity',
  'sts:AssumeRole',
  'sts:AssumeRole*',
  'sts:TagSession',
  'STS:*',
  'sts:SetSourceIdentity',
])

const actionPart = weighted<Pick<JsonStatement, 'Action' | 'NotAction'>>(
  [4, fc.constant({ Action: 'sts:AssumeRoleWithWebIdentity' })],
  [7, fc.constant({ Action: ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession'] })],
  [3, oneOrMore(action).map((Action) => ({ Action }))],
  [1, fc.constant({ Action: 'sts:*' })],
  [1, pick(['sts:TagSession', 'sts:AssumeRole']).map((NotAction) => ({ NotAction }))],
)

const trust = trustOf(
  { principal: principalPart, action: actionPart, condition, requestCondition },
  [(one) => ({ ...one, Principal: { Federated: providerArn('*') } })],
)

/** The tags of a fleet token, or some of them. */
const tagClaims: fc.Arbitrary<object> = fc
  .tuple(
    fc.record(
      Object.fromEntries(Object.entries(TAGS).map(([key, values]) => [key, pick<string>(values)])),
    ),
    weighted<readonly string[]>(
      [2, fc.constant(TAG_KEYS)],
      [1, fc.subarray([...TAG_KEYS], { minLength: 1 })],
    ),
    fc.boolean(),
    fc.boolean(),
  )
  .map(([values, keys, isFlat, isTransitive]) => {
    const url = 'https://aws.amazon.com/tags'
    if (isFlat) {
      return {
        ...Object.fromEntries(keys.map((key) => [`${url}/principal_tags/${key}`, values[key]])),
        ...(isTransitive ? { [`${url}/transitive_tag_keys`]: keys } : {}),
      }
    }
    return {
      [url]: {
        principal_tags: Object.fromEntries(keys.map((key) => [key, [values[key]]])),
        ...(isTransitive ? { transitive_tag_keys: keys } : {}),
      },
    }
  })

const NONE = fc.constant({})
const claimed = (name: string, value: fc.Arbitrary<unknown>): fc.Arbitrary<object> =>
  value.map((one) => ({ [name]: one }))

const audienceClaims = weighted<object>(
  [20, fc.constant({ aud: [STS] })],
  [2, pick(AUDIENCES).map((aud) => ({ aud }))],
  [1, fc.constant({ aud: [STS, 'second'] })],
  [
    3,
    fc
      .tuple(
        fc.array(pick(AUDIENCES), { minLength: 1, maxLength: 3 }),
        pick([STS, 'second', 'nobody']),
      )
      .map(([aud, azp]) => ({ aud, azp })),
  ],
)

/** Seconds from now. */
const timeClaims = (nowSeconds: number): fc.Arbitrary<object> =>
  weighted<object>(
    [40, fc.constant({ iat: nowSeconds - 60, exp: nowSeconds + 3600 })],
    [1, fc.constant({ iat: nowSeconds - 3600, exp: nowSeconds - 200 })],
    [1, fc.constant({ iat: nowSeconds - 3600, exp: nowSeconds - 400 })],
    [1, pick([200, 400]).map((ahead) => ({ iat: nowSeconds + ahead, exp: nowSeconds + 3600 }))],
    [
      1,
      pick([200, 400]).map((ahead) => ({
        iat: nowSeconds,
        nbf: nowSeconds + ahead,
        exp: nowSeconds + 3600,
      })),
    ],
    [1, fc.constant({ exp: nowSeconds + 3600 })],
  )

const token = (nowSeconds: number): fc.Arbitrary<Claims> =>
  fc
    .tuple(
      weighted<object>(
        [26, fc.constant({ iss: `https://${HOST}` })],
        [3, fc.constant({ iss: `https://${OTHER_HOST}` })],
        [1, fc.constant({ iss: `https://${STRANGE_HOST}` })],
      ),
      claimed('sub', weighted<string>([4, pick(SUBJECTS.slice(0, 2))], [2, pick(SUBJECTS)])),
      audienceClaims,
      timeClaims(nowSeconds),
      weighted<object>([4, NONE], [1, tagClaims]),
      weighted<object>(
        [12, NONE],
        [
          4,
          claimed(
            'https://aws.amazon.com/roles',
            pick<unknown>([[ROLE_ARN], `arn:aws:iam::${'1'.repeat(12)}:role/x;${ROLE_ARN}`]),
          ),
        ],
        [
          1,
          claimed(
            'https://aws.amazon.com/roles',
            pick<unknown>([[`${ROLE_ARN}-x`], [], `${ROLE_ARN}/x`]),
          ),
        ],
      ),
      weighted<object>(
        [19, NONE],
        [1, claimed('https://aws.amazon.com/source_identity', pick(['alice', 'bob']))],
      ),
      weighted<object>(
        [6, NONE],
        [1, claimed('amr', pick<unknown>([['mfa'], ['pwd', 'mfa'], 'pwd']))],
      ),
      weighted<object>(
        [6, NONE],
        [1, claimed('email', pick(['a@shop.example', 'b@else.example']))],
      ),
    )
    .map((parts) => Object.assign({}, ...parts) as Claims)

/** A policy with `count` tokens each, around that time. */
export const trustQuestions = (count: number, nowSeconds: number): fc.Arbitrary<TrustQuestions> =>
  fc.record({
    trust,
    tokens: fc.array(token(nowSeconds), { minLength: count, maxLength: count }),
  })
