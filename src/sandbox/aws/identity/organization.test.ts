import {
  CreateRoleCommand,
  GetUserCommand,
  ListRolesCommand,
  PutRolePolicyCommand,
  SimulatePrincipalPolicyCommand,
} from '@aws-sdk/client-iam'
import { AssumeRoleCommand, GetCallerIdentityCommand } from '@aws-sdk/client-sts'
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  type Clients,
  OTHER_ACCOUNT,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'
import { State } from '../../state.ts'
import { openTables, type ServiceControlPolicy } from '../records.ts'
import { beginServiceControlPolicies } from './organization.ts'
import { organizationSources } from './policies.ts'

const ADMIN = `arn:aws:iam::${ACCOUNT}:user/admin`
const ROLE = `arn:aws:iam::${ACCOUNT}:role/worker`

let fixture: AwsFixture
let admin: Clients
let other: Clients

beforeAll(async () => {
  fixture = await startAwsFixture()
  admin = fixture.clients(fixture.admin)
  other = fixture.clients(fixture.otherAdmin)
  await admin.iam.send(
    new CreateRoleCommand({
      RoleName: 'worker',
      AssumeRolePolicyDocument: trustOf({ AWS: ADMIN }, 'sts:AssumeRole'),
    }),
  )
  await admin.iam.send(
    new PutRolePolicyCommand({
      RoleName: 'worker',
      PolicyName: 'all',
      PolicyDocument: allowOf('*'),
    }),
  )
})
afterEach(() => {
  fixture.aws.setServiceControlPolicies(ACCOUNT, [])
  fixture.aws.setServiceControlPolicies('*', [])
})
afterAll(() => fixture.stop())

const named = (document: string, name = 'one'): ServiceControlPolicy => ({ name, document })

const scp = (...denied: readonly string[]): ServiceControlPolicy =>
  named(
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: '*', Resource: '*' },
        { Effect: 'Deny', Action: denied, Resource: '*' },
      ],
    }),
  )

test('a Deny refuses those who may do everything, in that account alone', async () => {
  fixture.aws.setServiceControlPolicies(ACCOUNT, [scp('iam:ListRoles')])
  expect(await refusalOf(admin.iam.send(new ListRolesCommand({})))).toEqual({
    code: 'AccessDenied',
    status: 403,
    message: `User: ${ADMIN} is not authorized to perform: iam:ListRoles on resource: arn:aws:iam::${ACCOUNT}:role/ with an explicit deny in a service control policy`,
  })
  await admin.iam.send(new GetUserCommand({}))
  await other.iam.send(new ListRolesCommand({}))
  expect(fixture.aws.decisions.recent().findLast(({ allowed }) => !allowed)?.reason).toBe(
    'explicit-deny-in-service-control-policy',
  )
})

test('what no policy allows is refused, and each of several must allow', async () => {
  fixture.aws.setServiceControlPolicies('*', [
    named(allowOf('iam:*')),
    named(allowOf('sts:*'), 'two'),
  ])
  for (const { iam } of [admin, other]) {
    const { message } = await refusalOf(iam.send(new ListRolesCommand({})))
    expect(message).toContain('because no service control policy allows the iam:ListRoles action')
  }
  fixture.aws.setServiceControlPolicies('*', [named(allowOf('iam:*'))])
  await other.iam.send(new ListRolesCommand({}))
})

test('GetCallerIdentity is never refused', async () => {
  fixture.aws.setServiceControlPolicies('*', [scp('*')])
  await admin.sts.send(new GetCallerIdentityCommand({}))
})

test('it stands before a trust policy that names the caller', async () => {
  const assume = new AssumeRoleCommand({ RoleArn: ROLE, RoleSessionName: 'one' })
  await admin.sts.send(assume)
  fixture.aws.setServiceControlPolicies(ACCOUNT, [scp('sts:AssumeRole')])
  expect((await refusalOf(admin.sts.send(assume))).code).toBe('AccessDenied')
  fixture.aws.setServiceControlPolicies(ACCOUNT, [named(allowOf('iam:*'))])
  expect((await refusalOf(admin.sts.send(assume))).code).toBe('AccessDenied')
})

test('it limits the sessions of roles, and the simulator says so', async () => {
  const assume = new AssumeRoleCommand({ RoleArn: ROLE, RoleSessionName: 'one' })
  const { Credentials } = await admin.sts.send(assume)
  const { iam } = fixture.clients({
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  })
  await iam.send(new ListRolesCommand({}))
  fixture.aws.setServiceControlPolicies(ACCOUNT, [scp('iam:ListRoles')])
  expect((await refusalOf(iam.send(new ListRolesCommand({})))).code).toBe('AccessDenied')
  const simulated = await admin.iam.send(
    new SimulatePrincipalPolicyCommand({
      PolicySourceArn: ROLE,
      ActionNames: ['iam:ListRoles', 'iam:GetRole'],
    }),
  )
  const shown = simulated.EvaluationResults?.map((one) => [
    one.EvalDecision,
    one.OrganizationsDecisionDetail?.AllowedByOrganizations,
  ])
  expect(shown).toEqual([
    ['explicitDeny', false],
    ['allowed', true],
  ])
})

test('a document that is no policy is not taken', () => {
  const set = (): void => fixture.aws.setServiceControlPolicies(OTHER_ACCOUNT, [named('{}')])
  expect(set).toThrow('Missing required field Statement')
})

test('one that only denies leaves the rest allowed, and the event log tells which it was', async () => {
  const Sid = 'NoRoles'
  const document = JSON.stringify({
    Version: '2012-10-17',
    Statement: { Sid, Effect: 'Deny', Action: 'iam:ListRoles', Resource: '*' },
  })
  fixture.aws.setServiceControlPolicies('*', [named(document, 'no-roles.json')])
  await admin.iam.send(new GetUserCommand({}))
  for (const { iam } of [admin, other]) {
    const { message } = await refusalOf(iam.send(new ListRolesCommand({})))
    expect(message).toEndWith('with an explicit deny in a service control policy')
  }
  const told = fixture.aws.decisions.recent().findLast(({ allowed }) => !allowed)
  expect(told?.text).toEndWith('a service control policy denies it explicitly')
  expect(told?.statements).toContainEqual(
    expect.objectContaining({
      policy: 'scp:no-roles.json',
      statement: Sid,
      effect: 'Deny',
      matched: true,
    }),
  )
})

test('what a run began with ends with it', () => {
  const tables = openTables(new State())
  const setting = { ...scp('iam:*'), accountId: ACCOUNT }
  beginServiceControlPolicies(tables, [setting, { ...setting, name: 'two' }])
  expect(organizationSources(tables, ACCOUNT).map(({ name }) => name)).toEqual([
    'scp:one',
    'scp:two',
  ])
  expect(organizationSources(tables, OTHER_ACCOUNT)).toEqual([])
  beginServiceControlPolicies(tables, [])
  expect(organizationSources(tables, ACCOUNT)).toEqual([])
})
