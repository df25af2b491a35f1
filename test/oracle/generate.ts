/**
 * Generators of policies and requests, with values from small pools so that they meet often.
 *
 * What AWS's documentation leaves open is left out: a multivalued key under an operator without
 * ForAllValues or ForAnyValue, variables in Bool, patterns of fewer than six parts in ArnLike,
 * numbers and dates that are none, stars inside the default of a variable.
 */
import * as fc from 'fast-check'
import type {
  CallerJsonPolicies,
  JsonPolicies,
  JsonPolicy,
  JsonStatement,
  OracleRequest,
} from './oracle.ts'
import type { GeneratedCaller } from './pools.ts'
import {
  ACTIONS,
  ACTION_PATTERNS,
  AWAY,
  AWS_PRINCIPALS,
  HOME,
  MULTIVALUED,
  NO_KEYS,
  OTHERS,
  POOLS,
  PROVIDER,
  PROVIDER_AWAY,
  RESOURCES,
  RESOURCE_PATTERNS,
  SHORT_RESOURCES,
  SINGLE,
  STRINGS,
  USERS_AND_SESSIONS,
} from './pools.ts'

/** One question to `authorize`. */
export interface Access {
  readonly request: OracleRequest & { readonly caller: GeneratedCaller }
  readonly policies: JsonPolicies
}

/** One question to `authorizeTrust`. */
export interface Assumption {
  readonly request: OracleRequest & { readonly caller: GeneratedCaller }
  readonly trust: JsonPolicy
  readonly policies: CallerJsonPolicies
}

const pick = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values)

/** One value, or a list of up to three. */
const oneOrMore = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | T[]> =>
  fc.oneof({ weight: 2, arbitrary: value }, fc.array(value, { minLength: 1, maxLength: 3 }))

/** The same key name in another case, sometimes. */
const respell = (name: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant(name) },
    { weight: 1, arbitrary: fc.constant(name.toLowerCase()) },
    { weight: 1, arbitrary: fc.constant(name.toUpperCase()) },
  )

type Condition = readonly [operator: string, key: string, wanted: unknown]

const singleCondition = pick(POOLS).chain((pool): fc.Arbitrary<Condition> =>
  fc.tuple(
    fc
      .tuple(
        fc.oneof(
          { weight: 8, arbitrary: fc.constant('') },
          { weight: 1, arbitrary: pick(['ForAllValues:', 'ForAnyValue:']) },
        ),
        pick(pool.operators),
        fc.oneof(
          { weight: 4, arbitrary: fc.constant('') },
          { weight: 1, arbitrary: fc.constant('IfExists') },
        ),
      )
      .map((parts) => parts.join('')),
    pick(pool.keys).chain(respell),
    oneOrMore(pick(pool.wanted)),
  ),
)

const multiCondition: fc.Arbitrary<Condition> = fc.tuple(
  fc
    .tuple(
      pick(['ForAllValues:', 'ForAnyValue:']),
      pick(STRINGS.operators),
      fc.oneof(
        { weight: 4, arbitrary: fc.constant('') },
        { weight: 1, arbitrary: fc.constant('IfExists') },
      ),
    )
    .map((parts) => parts.join('')),
  pick(MULTIVALUED).chain(respell),
  oneOrMore(pick(STRINGS.wanted)),
)

const nullCondition: fc.Arbitrary<Condition> = fc.tuple(
  fc.constant('Null'),
  fc.oneof(pick(SINGLE), pick(MULTIVALUED)).chain(respell),
  pick(['true', 'false', true, false]),
)

/** A block never holds the same key twice under one operator: that is no valid policy. */
const condition = fc
  .array(
    fc.oneof(
      { weight: 7, arbitrary: singleCondition },
      { weight: 2, arbitrary: multiCondition },
      { weight: 1, arbitrary: nullCondition },
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((conditions) => {
    const block: Record<string, Record<string, unknown>> = {}
    for (const [operator, key, wanted] of conditions) {
      const keys = (block[operator] ??= {})
      const isThere = Object.keys(keys).some((other) => other.toLowerCase() === key.toLowerCase())
      if (!isThere) keys[key] = wanted
    }
    return block
  })

const conditionPart = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  { weight: 2, arbitrary: condition.map((block) => ({ Condition: block })) },
)

const effectPart = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ Effect: 'Allow' as const }) },
  { weight: 1, arbitrary: fc.constant({ Effect: 'Deny' as const }) },
)

const actionPart = fc.oneof(
  {
    weight: 6,
    arbitrary: oneOrMore(pick([...ACTION_PATTERNS, 's3:*', '*'])).map((Action) => ({ Action })),
  },
  { weight: 1, arbitrary: oneOrMore(pick(ACTION_PATTERNS)).map((NotAction) => ({ NotAction })) },
)

const resourcePart = (patterns: readonly string[]): fc.Arbitrary<Partial<JsonStatement>> =>
  fc.oneof(
    { weight: 6, arbitrary: oneOrMore(pick(patterns)).map((Resource) => ({ Resource })) },
    { weight: 1, arbitrary: oneOrMore(pick(patterns)).map((NotResource) => ({ NotResource })) },
  )

const principalPart = fc
  .oneof(
    { weight: 1, arbitrary: fc.constant('*' as const) },
    { weight: 3, arbitrary: oneOrMore(pick(AWS_PRINCIPALS)).map((AWS) => ({ AWS })) },
    {
      weight: 3,
      arbitrary: fc.subarray(AWS_PRINCIPALS, { minLength: 3 }).map((AWS) => ({ AWS })),
    },
    {
      weight: 1,
      arbitrary: oneOrMore(pick(['pods.eks.amazonaws.com', 'ec2.amazonaws.com'])).map(
        (Service) => ({ Service }),
      ),
    },
  )
  .map((Principal) => ({ Principal }))

const trustPrincipalPart = fc
  .oneof(
    { weight: 2, arbitrary: principalPart.map((part) => part.Principal) },
    {
      weight: 2,
      arbitrary: oneOrMore(pick([PROVIDER, PROVIDER_AWAY, 'accounts.google.com'])).map(
        (Federated) => ({ Federated }),
      ),
    },
    {
      weight: 3,
      arbitrary: fc.constant({
        Service: ['pods.eks.amazonaws.com', 'ec2.amazonaws.com'],
        Federated: PROVIDER,
        AWS: [HOME, AWAY],
      }),
    },
  )
  .map((Principal) => ({ Principal }))

/** Trust policies name STS's own actions. */
const trustActionPart = fc
  .oneof(
    {
      weight: 3,
      arbitrary: fc.constant(['sts:AssumeRole', 'sts:AssumeRoleWithWebIdentity', 'STS:tagsession']),
    },
    {
      weight: 1,
      arbitrary: oneOrMore(
        pick([
          'sts:AssumeRole',
          'sts:TagSession',
          'sts:AssumeRoleWithWebIdentity',
          'STS:assumerole',
          'sts:SetSourceIdentity',
        ]),
      ),
    },
  )
  .map((Action) => ({ Action }))

type Part = fc.Arbitrary<Partial<JsonStatement>>

const policyOf = (...parts: readonly Part[]): fc.Arbitrary<JsonPolicy> => {
  const statement = fc
    .tuple(effectPart, conditionPart, ...parts)
    .map((made) => Object.assign({}, ...made) as JsonStatement)
  return fc
    .tuple(
      fc.oneof(
        { weight: 6, arbitrary: fc.constant({ Version: '2012-10-17' }) },
        { weight: 1, arbitrary: fc.constant({ Version: '2008-10-17' }) },
        { weight: 1, arbitrary: fc.constant({}) },
      ),
      fc.oneof(
        { weight: 1, arbitrary: statement },
        { weight: 3, arbitrary: fc.array(statement, { minLength: 1, maxLength: 3 }) },
      ),
    )
    .map(([version, Statement]) => ({ ...version, Statement }))
}

const identityPolicy = policyOf(
  actionPart,
  resourcePart([...RESOURCE_PATTERNS, ...SHORT_RESOURCES, '*', '*', '*']),
)
const sessionPolicy = policyOf(actionPart, resourcePart([...RESOURCE_PATTERNS, '*', '*', '*']))
const resourcePolicy = policyOf(actionPart, resourcePart(RESOURCE_PATTERNS), principalPart)
const trustPolicy = policyOf(trustActionPart, trustPrincipalPart)

/** There in one case of four. */
const sometimes = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value })

const callerPolicies: fc.Arbitrary<CallerJsonPolicies> = fc
  .tuple(
    fc.array(identityPolicy, { maxLength: 4 }),
    sometimes(identityPolicy),
    sometimes(fc.array(sessionPolicy, { minLength: 1, maxLength: 2 })),
  )
  .map(([identity, boundary, session]) => ({
    identity,
    ...(boundary === undefined ? {} : { boundary }),
    ...(session === undefined ? {} : { session }),
  }))

/** Who cannot have a kind of policy has none: only sessions have session policies. */
function fitPolicies(caller: GeneratedCaller, policies: CallerJsonPolicies): CallerJsonPolicies {
  const { identity, boundary, session } = policies
  if (caller.kind !== 'user' && caller.kind !== 'role-session') return { identity: [] }
  return {
    identity,
    ...(boundary === undefined ? {} : { boundary }),
    ...(session === undefined || caller.kind === 'user' ? {} : { session }),
  }
}

/** Keys of a request: each is there in two cases of three. */
const context = fc
  .tuple(
    ...POOLS.flatMap((pool) =>
      pool.keys
        .filter((key) => key !== 'aws:PrincipalArn')
        .map((key) =>
          fc
            .tuple(respell(key), fc.option(pick(pool.values), { nil: undefined, freq: 2 }))
            .map((pair): readonly [string, string | readonly string[] | undefined] => pair),
        ),
    ),
    ...MULTIVALUED.map((key) =>
      fc
        .tuple(
          respell(key),
          fc.option(fc.array(pick(STRINGS.values), { maxLength: 3 }), { nil: undefined, freq: 2 }),
        )
        .map((pair): readonly [string, string | readonly string[] | undefined] => pair),
    ),
  )
  .map((pairs) =>
    Object.fromEntries(
      pairs.filter((pair): pair is readonly [string, string | readonly string[]] => {
        return pair[1] !== undefined
      }),
    ),
  )

/** `aws:PrincipalArn` of a session is its role's ARN, with the path. */
function principalKeys(caller: GeneratedCaller): Record<string, string> {
  if (caller.kind === 'role-session') return { 'aws:PrincipalArn': caller.roleArn }
  if (caller.kind === 'user' || caller.kind === 'root') return { 'aws:PrincipalArn': caller.arn }
  return {}
}

/** Questions to `authorize`. */
export const accesses: fc.Arbitrary<Access> = fc
  .record({
    caller: fc.oneof(
      { weight: 8, arbitrary: pick(USERS_AND_SESSIONS) },
      { weight: 1, arbitrary: pick(OTHERS) },
    ),
    action: fc.oneof(
      { weight: 12, arbitrary: pick(ACTIONS) },
      { weight: 1, arbitrary: fc.constant('sts:GetCallerIdentity') },
    ),
    resource: fc.oneof(
      { weight: 12, arbitrary: pick(RESOURCES) },
      { weight: 1, arbitrary: fc.constant('*') },
    ),
    resourceAccountId: pick([HOME, HOME, AWAY]),
    context,
    policies: callerPolicies,
    resourcePolicy: fc.option(resourcePolicy, { nil: undefined, freq: 2 }),
  })
  .map(({ caller, action, resource, resourceAccountId, context, policies, resourcePolicy }) => ({
    request: {
      caller,
      action: caller.kind === 'anonymous' ? 's3:GetObject' : action,
      resource: action === 'sts:GetCallerIdentity' ? '*' : resource,
      resourceAccountId,
      context: { ...context, ...principalKeys(caller) },
    },
    policies: {
      ...fitPolicies(caller, policies),
      ...(resourcePolicy === undefined ? {} : { resource: resourcePolicy }),
    },
  }))

/** Questions to `authorizeTrust`. */
export const assumptions: fc.Arbitrary<Assumption> = fc
  .record({
    caller: fc.oneof(
      { weight: 3, arbitrary: pick(USERS_AND_SESSIONS) },
      { weight: 2, arbitrary: pick(NO_KEYS) },
    ),
    signedAction: pick(['sts:AssumeRole', 'sts:AssumeRole', 'sts:TagSession']),
    unsignedAction: pick(['sts:AssumeRoleWithWebIdentity', 'sts:TagSession']),
    resourceAccountId: pick([HOME, HOME, HOME, AWAY]),
    context,
    policies: callerPolicies,
    trust: trustPolicy,
  })
  .map(({ caller, signedAction, unsignedAction, resourceAccountId, context, policies, trust }) => ({
    request: {
      caller,
      action: caller.kind === 'web-identity' ? unsignedAction : signedAction,
      resource: `arn:aws:iam::${resourceAccountId}:role/app`,
      resourceAccountId,
      context: { ...context, ...principalKeys(caller) },
    },
    trust,
    policies: fitPolicies(caller, policies),
  }))
