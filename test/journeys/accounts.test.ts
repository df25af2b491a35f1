/** Two AWS accounts in one sandbox: keys, clusters and roles of each, and what goes between them. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CreateRoleCommand,
  GetRoleCommand,
  IAMClient,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { callEks } from '../../src/cli/parts/associations.ts'
import type { WiredSandbox } from '../../src/cli/parts/wired-sandbox.ts'
import { podIdentityTrust } from '../../src/iam/trust.ts'
import { SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import { ASK_MANY, askFromPod } from '../support/ask-many-pod.ts'
import { startQuietSandbox } from '../support/quiet-sandbox.ts'

const ROOT = join(import.meta.dir, '..', '..')
const PODROLE = join(ROOT, 'bin', 'podrole')
const FIRST = '111122223333'
const SECOND = '444455556666'
const REGION = 'us-east-1'

describe('podrole sandbox with two accounts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-accounts-'))
  const readyFile = join(folder, 'ready.json')
  const program = join(folder, 'program.ts')
  const profilesFile = join(folder, 'profiles')
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('a program reaches each by a profile, and clusters are of one account', async () => {
    const client = (name: string): string =>
      JSON.stringify(join(ROOT, 'node_modules/@aws-sdk', name))
    writeFileSync(
      program,
      `import { STSClient, GetCallerIdentityCommand } from ${client('client-sts')}
       import { EKSClient, DescribeClusterCommand } from ${client('client-eks')}
       import { fromIni } from ${client('credential-provider-ini')}
       const say = (value) => console.log(JSON.stringify(value))
       for (const profile of [undefined, '${FIRST}', '${SECOND}']) {
         const own = profile === undefined ? {} : { credentials: fromIni({ profile }) }
         const { Arn } = await new STSClient(own).send(new GetCallerIdentityCommand({}))
         const names = []
         for (const [name, region] of [['one', 'us-east-1'], ['far', 'eu-west-1']]) {
           const eks = new EKSClient({ ...own, region })
           names.push(await eks.send(new DescribeClusterCommand({ name })).then(
             ({ cluster }) => cluster.arn,
             (error) => error.name,
           ))
         }
         say([profile ?? 'none', Arn, ...names])
       }`,
    )
    const copies = 'cp "$2" "$2.copy"; cp "$AWS_SHARED_CREDENTIALS_FILE" "$3"; exec "$0" "$1"'
    const command = ['sh', '-c', copies, process.execPath, program, readyFile, profilesFile]
    const accountFlags = ['--account-id', FIRST, '--account-id', SECOND]
    const clusterFlags = ['--cluster', 'one', '--cluster', `${SECOND}/far@eu-west-1`]
    const words = ['--ready-file', readyFile, ...accountFlags, ...clusterFlags, '--', ...command]
    const child = Bun.spawn([PODROLE, 'sandbox', ...words], {
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', HOME: '/' },
    })
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
    expect({ code: await child.exited, err }).toEqual({ code: 0, err: '' })
    const said = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    const admin = (account: string): string => `arn:aws:iam::${account}:user/admin`
    const [one, far] = [
      `arn:aws:eks:us-east-1:${FIRST}:cluster/one`,
      `arn:aws:eks:eu-west-1:${SECOND}:cluster/far`,
    ]
    expect(said).toEqual([
      ['none', admin(FIRST), one, 'ResourceNotFoundException'],
      [FIRST, admin(FIRST), one, 'ResourceNotFoundException'],
      [SECOND, admin(SECOND), 'ResourceNotFoundException', far],
    ])
    const ready = JSON.parse(readFileSync(`${readyFile}.copy`, 'utf8')) as Record<string, unknown>
    const accounts = ready['accounts'] as Record<string, Record<string, string>>
    expect(Object.keys(accounts)).toEqual([FIRST, SECOND])
    expect(accounts[FIRST]?.['AWS_ACCESS_KEY_ID']).toBe(String(ready['AWS_ACCESS_KEY_ID']))
    const profiles = readFileSync(profilesFile, 'utf8')
    expect(profiles).toContain(
      `[${SECOND}]\naws_access_key_id = ${accounts[SECOND]?.['AWS_ACCESS_KEY_ID']}\n`,
    )
    expect(statSync(readyFile).mode & 0o777).toBe(0o600)
  })

  const wrong: readonly (readonly [flags: readonly string[], told: RegExp])[] = [
    [['--cluster', `${SECOND}/far`], /cluster "444455556666\/far" is for account 444455556666/],
    [['--self-managed-cluster', `${SECOND}/e=https://e.x`], /which the sandbox does not have/],
    [['--cluster', 'x/far'], /cluster name "x\/far" is not one/],
    [
      ['--account-id', FIRST, '--account-id', SECOND, '--cluster', 'a', '--cluster', `${SECOND}/a`],
      /named twice/,
    ],
  ]
  test.each(wrong)('%j is refused', async (flags, told) => {
    const child = Bun.spawn([PODROLE, 'sandbox', ...flags, '--', 'true'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const err = await child.stderr.text()
    expect(await child.exited).toBe(1)
    expect(err).toMatch(told)
  })
})

describe('between two accounts', () => {
  const CLUSTER = 'far'
  let wired: WiredSandbox

  beforeAll(async () => {
    wired = await startQuietSandbox({
      accountIds: [FIRST, SECOND],
      region: REGION,
      clusters: [
        { name: CLUSTER, region: REGION, kind: 'eks', accountId: SECOND },
        {
          name: 'edge',
          region: REGION,
          kind: 'self-managed',
          accountId: SECOND,
          issuer: 'https://edge.issuer.sandbox',
        },
      ],
      images: { 'ask-many': ASK_MANY },
    })
  })
  afterAll(() => wired.stop())

  const iamOf = (accountId: string): IAMClient => {
    const { sandbox } = wired
    const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials(accountId)
    const credentials = { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
    return new IAMClient({ region: REGION, endpoint: sandbox.endpoint, credentials })
  }

  test("a pod of the second account's cluster gets a target role of the first", async () => {
    const { sandbox } = wired
    const cluster = sandbox.clusters.get(CLUSTER)
    if (cluster === undefined) throw new Error('no cluster')
    const clusterArn = `arn:aws:eks:${REGION}:${SECOND}:cluster/${CLUSTER}`
    const serviceAccount = { namespace: 'default', name: 'app' }
    const podTrust = podIdentityTrust({ clusterArn, accountId: SECOND, serviceAccount })
    const [first, second] = [iamOf(FIRST), iamOf(SECOND)]
    const podRole = `arn:aws:iam::${SECOND}:role/app`
    const targetRoleArn = `arn:aws:iam::${FIRST}:role/target`
    const Action = ['sts:AssumeRole', 'sts:TagSession']
    const policy = (statement: object): string =>
      JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action, ...statement }],
      })
    await second.send(
      new CreateRoleCommand({
        RoleName: 'app',
        AssumeRolePolicyDocument: JSON.stringify(podTrust),
      }),
    )
    await second.send(
      new PutRolePolicyCommand({
        RoleName: 'app',
        PolicyName: 'target',
        PolicyDocument: policy({ Resource: targetRoleArn }),
      }),
    )
    await first.send(
      new CreateRoleCommand({
        RoleName: 'target',
        AssumeRolePolicyDocument: policy({ Principal: { AWS: podRole } }),
      }),
    )
    const credentials = sandbox.aws.adminCredentials(SECOND)
    const eks = { url: sandbox.endpoint, region: REGION, credentials }
    const subject = { namespace: 'default', serviceAccount: 'app' }
    const association = { ...subject, roleArn: podRole, targetRoleArn }
    await callEks(eks, 'POST', `/clusters/${CLUSTER}/pod-identity-associations`, association)
    await cluster.client.create(SERVICE_ACCOUNTS, { metadata: serviceAccount })
    const { keys } = await askFromPod(cluster, 'app', 1)
    expect(keys).toEqual([expect.stringMatching(/^ASIA/)])
    const assumed = sandbox.aws.decisions
      .recent()
      .filter(({ action, allowed }) => allowed && action === 'sts:AssumeRole')
    expect(assumed.map(({ resource }) => resource)).toEqual(
      expect.arrayContaining([podRole, targetRoleArn]),
    )
  })

  test('nodes and broker are of the account of their cluster', async () => {
    const { sandbox, brokers } = wired
    const own = sandbox.aws.adminCredentials(SECOND)
    const other = sandbox.aws.adminCredentials(FIRST)
    const entries = (credentials: typeof own): Promise<Record<string, unknown>> =>
      callEks(
        { url: sandbox.endpoint, region: REGION, credentials },
        'GET',
        `/clusters/${CLUSTER}/access-entries`,
      )
    expect(await entries(own)).toEqual({ accessEntries: [`arn:aws:iam::${SECOND}:user/admin`] })
    await expect(entries(other)).rejects.toThrow('ResourceNotFoundException')
    const { Role } = await iamOf(SECOND).send(
      new GetRoleCommand({ RoleName: `podrole-sandbox-node-${CLUSTER}` }),
    )
    expect(Role?.Arn).toBe(`arn:aws:iam::${SECOND}:role/podrole-sandbox-node-${CLUSTER}`)
    const [broker] = brokers
    expect(brokers).toHaveLength(1)
    expect(broker?.issuer).toBe(`https://fleet-${SECOND}.issuer.sandbox`)
    if (broker === undefined) throw new Error('no broker')
    const list = await callEks(broker.endpoint, 'GET', '/podrole/v1/clusters/edge')
    expect(JSON.stringify(list)).toContain(`arn:aws:podrole:${REGION}:${SECOND}:cluster/edge`)
  })
})
