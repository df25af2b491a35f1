/**
 * Random sequences of operations on roles, OIDC providers and associations, and on the ways to
 * credentials that hang on them, against a model of them. PODROLE_TEST_SEED repeats a run.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import type { AwsCredentials } from '../../../aws/credentials.ts'
import { jwksOf } from '../../../issuer/documents.ts'
import { issuerApp } from '../../../issuer/issuer-app.ts'
import { generateSigningKey, type SigningKey } from '../../../issuer/keys.ts'
import { signToken } from '../../../issuer/sign.ts'
import { ManualClock } from '../../../lib/clock.ts'
import { silentLog } from '../../../lib/log.ts'
import { State } from '../../state.ts'
import { createAws } from '../aws.ts'
import {
  ACCOUNT,
  type AwsFixture,
  EKS_ISSUER,
  OTHER_ACCOUNT,
  REGION,
  runtimeOf,
  startAwsFixture,
} from '../aws-fixture.suite.ts'
import { sequencesOf } from './arbitraries.suite.ts'
import { STEPS } from './model.suite.ts'
import type { Operation } from './operations.suite.ts'
import { AMBER } from './pools.suite.ts'
import { type Divergence, findDivergence, type Pair } from './run.suite.ts'
import type { TokenInput } from './sessions.suite.ts'
import { ask, type Subject } from './wire.suite.ts'
import { type GivenRole, QUOTAS } from './world.suite.ts'

const RUNS = Math.ceil(500 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
const LENGTH = 100
const SEED = Number(process.env['PODROLE_TEST_SEED'] ?? 20_261_129)
const CLUSTERS = ['blue', 'red']

/** What random operations must come to, lest a generator makes nothing of use. */
const OUTCOMES = [
  ...Object.keys(STEPS).map((name) => `${name} OK`),
  'CreateRole EntityAlreadyExists',
  'CreateRole LimitExceeded',
  'CreateRole MalformedPolicyDocument',
  'CreateRole ValidationError',
  'DeleteRole DeleteConflict',
  'UpdateAssumeRolePolicy LimitExceeded',
  'UpdateAssumeRolePolicy MalformedPolicyDocument',
  'AttachRolePolicy LimitExceeded',
  'PutRolePolicy MalformedPolicyDocument',
  'TagRole InvalidInput',
  'CreateOpenIDConnectProvider EntityAlreadyExists',
  'CreateOpenIDConnectProvider InvalidInput',
  'CreateOpenIDConnectProvider LimitExceeded',
  'CreatePodIdentityAssociation InvalidParameterException',
  'CreatePodIdentityAssociation ResourceInUseException',
  'CreatePodIdentityAssociation ResourceLimitExceededException',
  'UpdatePodIdentityAssociation InvalidParameterException',
  'TagResource BadRequestException',
  'AssumeRoleWithWebIdentity AccessDenied',
  'AssumeRoleWithWebIdentity ExpiredTokenException',
  'AssumeRoleWithWebIdentity InvalidIdentityToken',
  'AssumeRoleForPodIdentity AccessDeniedException',
  'AssumeRoleForPodIdentity ExpiredTokenException',
  'AssumeRoleForPodIdentity InvalidTokenException',
  'AssumeRoleForPodIdentity ResourceNotFoundException',
]

let fixture: AwsFixture
let strange: SigningKey
beforeAll(async () => {
  fixture = await startAwsFixture()
  strange = await generateSigningKey()
  const jwks = (): ReturnType<typeof jwksOf> => jwksOf([fixture.key])
  fixture.aws.addIssuer('amber', issuerApp({ issuer: AMBER, jwks }))
})
afterAll(() => fixture.stop())

/** A new sandbox, whose issuers are the fixture's. */
function startSubject(): Subject {
  const clock = new ManualClock(Date.UTC(2026, 0, 1))
  const aws = createAws({
    state: new State(),
    clock,
    log: silentLog,
    accountIds: [ACCOUNT, OTHER_ACCOUNT],
    region: REGION,
    names: fixture.names,
    issuerKeyCacheMs: Number.MAX_SAFE_INTEGER,
  })
  for (const name of CLUSTERS) {
    const spec = { name, region: REGION, accountId: ACCOUNT }
    aws.addCluster(spec, runtimeOf(EKS_ISSUER, fixture.eksKey))
  }
  const credentials = new Map<string, AwsCredentials>(
    [ACCOUNT, OTHER_ACCOUNT].map((account) => [account, aws.adminCredentials(account)]),
  )
  return {
    aws,
    clock,
    region: REGION,
    credentialsOf: (accountId) => credentials.get(accountId)!,
    sign: async (token, claims) => (await signToken(keyOf(token), claims)).reveal(),
  }
}

/** One that nobody publishes has the published one's id, so that its signature alone is wrong. */
function keyOf({ issuer, fault }: TokenInput): SigningKey {
  const key = issuer === EKS_ISSUER ? fixture.eksKey : fixture.key
  return fault === 'signature' ? { ...strange, kid: key.kid } : key
}

async function startPair(): Promise<Pair> {
  const subject = startSubject()
  const accounts = [ACCOUNT, OTHER_ACCOUNT]
  const emptyAccount = () => ({ roles: new Map(), profiles: new Map(), providers: new Map() })
  return {
    subject,
    world: {
      region: REGION,
      nowMs: subject.clock.now(),
      quotas: { ...QUOTAS },
      accounts: new Map(accounts.map((account) => [account, emptyAccount()])),
      clusters: new Set(CLUSTERS),
      clusterAccount: ACCOUNT,
      associations: new Map(),
      associationIds: [],
      givenRoles: new Map(
        await Promise.all(
          accounts.map(async (account) => [account, await rolesThere(subject, account)] as const),
        ),
      ),
      walks: new Map(),
      ids: new Set(),
    },
  }
}

/** The roles linked to services that came with the clusters. */
async function rolesThere(
  subject: Subject,
  accountId: string,
): Promise<ReadonlyMap<string, GivenRole>> {
  const operation = { service: 'iam', name: 'ListRoles', accountId, input: {} } as const
  const { members } = await ask(subject, operation)
  const rows = members['Roles'] as readonly GivenRole[]
  return new Map(rows.map((row) => [row['RoleName'] ?? '', row]))
}

/** Leaves out operations as long as the rest still shows a divergence. */
async function shrink(given: readonly Operation[], first: Divergence): Promise<string> {
  let shown = first
  let kept = given.slice(0, first.at + 1)
  for (let at = kept.length - 1; at >= 0; at -= 1) {
    const fewer = kept.toSpliced(at, 1)
    const found = await findDivergence(await startPair(), fewer)
    if (found === undefined) continue
    shown = found
    kept = fewer
  }
  const steps = [...kept, shown.operation].map(({ name, accountId, input }) => {
    return `  ${accountId} ${name} ${JSON.stringify(input)}`
  })
  return [...steps, ...shown.faults].join('\n')
}

async function runAll(): Promise<void> {
  const seen = new Map<string, number>()
  let done = 0
  for (const sequence of fc.sample(sequencesOf(LENGTH), { numRuns: RUNS, seed: SEED })) {
    const divergence = await findDivergence(await startPair(), sequence, ({ name }, { code }) => {
      const outcome = `${name} ${code}`
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
      done += 1
    })
    if (divergence !== undefined) throw new Error(await shrink(sequence, divergence))
  }
  expect(done).toBeGreaterThanOrEqual(RUNS * LENGTH)
  expect(OUTCOMES.filter((outcome) => !seen.has(outcome))).toEqual([])
}

// Half a minute for 500 on two quiet cores, several times that beside other work.
const TIMEOUT_MS = 600 * RUNS
test(
  `${RUNS} sequences of ${LENGTH} operations end as the model says (seed ${SEED})`,
  runAll,
  TIMEOUT_MS,
)
