/** `podrole access-entry` as typed, down to what the cluster's API lets its callers do. */
import {
  CreateAccessEntryCommand,
  CreateClusterCommand,
  DeleteAccessEntryCommand,
  DisassociateAccessPolicyCommand,
  UpdateAccessEntryCommand,
} from '@aws-sdk/client-eks'
import { CreateRoleCommand } from '@aws-sdk/client-iam'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { ACCOUNT, CLUSTER, type EksSandbox, startEksSandbox } from '../support/eks-sandbox.ts'

const STEP_MS = 60_000
const at = `--cluster ${CLUSTER}`
const VIEW = 'arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy'
let here: EksSandbox

beforeAll(async () => {
  here = await startEksSandbox()
}, 60_000)
afterEach(() => here.sandbox.aws.faults.replace([]))
afterAll(() => here.stop())

const step = (name: string, run: () => Promise<void>): void => test(name, run, STEP_MS)
const pods = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`
const run = (line: string): ReturnType<typeof here.desk.run> =>
  here.desk.run(`access-entry ${line}`)

async function makeRole(RoleName: string): Promise<string> {
  const Statement = {
    Effect: 'Allow',
    Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` },
    Action: 'sts:AssumeRole',
  }
  const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement })
  const { Role } = await here.iam.send(
    new CreateRoleCommand({ RoleName, Path: '/team/', AssumeRolePolicyDocument }),
  )
  return Role?.Arn ?? ''
}

describe('an access entry', () => {
  step('lets a user in as far as its policies go; changed, it goes as far as that', async () => {
    const ann = await here.addUser('ann')
    expect(await ann.get(pods('shop'))).toBe(401)
    const create = `create ${ann.arn} ${at} --access-policy AmazonEKSViewPolicy=namespace:shop,bank-* --tags team=shop`
    const made = await run(create)
    expect({ code: made.code, err: made.err }).toMatchObject({ code: 0 })
    expect(made.out).toStartWith(`arn:aws:eks:eu-central-1:${ACCOUNT}:access-entry/blue/user/`)
    expect(await Promise.all(['shop', 'bank-7', 'other'].map((one) => ann.get(pods(one))))).toEqual(
      [200, 200, 403],
    )
    const before = here.writes.length
    expect((await run(create)).err).toContain('is there as asked for: nothing was done')
    expect(here.writes.slice(before)).toEqual([])
    const other = await run(create.replace('shop,bank-*', 'other'))
    expect(other.code).toBe(1)
    expect(other.err).toContain('it does not have AmazonEKSViewPolicy=namespace:other')
    const [, command = ''] = /Change it: podrole access-entry (.*)/.exec(other.err) ?? []
    expect((await run(command)).err).toContain(
      'access policy AmazonEKSViewPolicy=namespace:other given',
    )
    expect(await Promise.all(['shop', 'other'].map((one) => ann.get(pods(one))))).toEqual([
      403, 200,
    ])
    const swapped = await run(
      `update ${ann.arn} ${at} --access-policy AmazonEKSEditPolicy=cluster --remove-access-policy AmazonEKSViewPolicy --kubernetes-groups sre,ops --tags tier=1 --remove-tags team`,
    )
    expect(swapped.code).toBe(0)
    expect(await ann.get(pods('shop'))).toBe(200)
    const shown = JSON.parse((await run(`describe ${ann.arn} ${at} -o json`)).out) as object
    expect(shown).toMatchObject({
      type: 'STANDARD',
      username: ann.arn,
      kubernetesGroups: ['sre', 'ops'],
      accessPolicies: [{ accessScope: { type: 'cluster' } }],
      tags: { tier: '1', 'podrole.dev/managed-by': 'podrole' },
    })
    const listed = await run(`list ${at}`)
    expect(listed.out.split('\n').map((line) => line.replaceAll(/ {2,}/g, ' | '))).toContain(
      `${ann.arn} | STANDARD | sre,ops | AmazonEKSEditPolicy=cluster | podrole`,
    )
    expect(JSON.parse((await run(`list ${at} -o json`)).out)).toContainEqual(shown)
    await run(`update ${ann.arn} ${at} --no-kubernetes-groups`)
    expect((await run(`describe ${ann.arn} ${at} -o yaml`)).out).toContain('kubernetesGroups: []')
    expect((await run(`delete ${ann.arn} ${at}`)).out).toBe(`access entry of ${ann.arn} deleted\n`)
    expect(await ann.get(pods('shop'))).toBe(401)
  })

  step(
    'deleted by hand it is made again, changed by hand that is told; half made it goes on',
    async () => {
      const arn = await makeRole('ci')
      const create = `create --principal-arn ${arn} ${at} --access-policy AmazonEKSViewPolicy=cluster --access-policy AmazonEKSEditPolicy=namespace:shop`
      here.sandbox.aws.faults.replace(['eks:AssociateAccessPolicy=error:ServerException:500@3'])
      const failed = await run(create)
      expect(failed.code).toBe(1)
      expect(failed.err).toContain(`access entry of ${arn} made; then`)
      expect(failed.err).toContain('it goes on from there')
      const went = await run(create)
      expect(went.code).toBe(0)
      expect(went.err).not.toContain('entry of')
      expect(went.err).toContain('AmazonEKSViewPolicy=cluster given')
      const input = { clusterName: CLUSTER, principalArn: arn }
      await here.eks.send(new UpdateAccessEntryCommand({ ...input, kubernetesGroups: ['hand'] }))
      const differs = await run(`${create} --kubernetes-groups sre`)
      expect(differs.code).toBe(1)
      expect(differs.err).toContain('its groups are hand, not sre')
      await here.eks.send(new DisassociateAccessPolicyCommand({ ...input, policyArn: VIEW }))
      expect((await run(create)).err).toContain('AmazonEKSViewPolicy=cluster given')
      await here.eks.send(new DeleteAccessEntryCommand(input))
      expect((await run(create)).err).toContain(`entry of ${arn} made`)
    },
  )

  step('of somebody else: named as such, changed and deleted with --adopt alone', async () => {
    const principalArn = await makeRole('nodes')
    const input = { clusterName: CLUSTER, principalArn, type: 'EC2_LINUX' }
    await here.eks.send(new CreateAccessEntryCommand(input))
    const removed = await run(`delete ${principalArn} ${at}`)
    expect(removed.code).toBe(1)
    expect(removed.err).toContain(
      'was not made by podrole: cannot delete it; it is of type EC2_LINUX',
    )
    const changed = await run(`update ${principalArn} ${at} --kubernetes-groups x --adopt`)
    expect(changed.err).toContain('an access entry of type EC2_LINUX takes no Kubernetes groups')
    const typed = await run(`create ${principalArn} ${at} --type STANDARD`)
    expect(typed.err).toContain('its type is EC2_LINUX, not STANDARD')
    expect(typed.err).toContain('EKS changes no type')
    expect((await run(`delete ${principalArn} ${at} --adopt`)).code).toBe(0)
    const missing = await run(`delete ${principalArn} ${at}`)
    expect(missing.code).toBe(1)
    expect(missing.err).toContain(`${principalArn} has no access entry in cluster blue`)
    expect((await run(`delete ${principalArn} ${at} --ignore-not-found`)).code).toBe(0)
  })

  step('more entries than a page holds are listed, with throttling on the way', async () => {
    for (let n = 0; n < 104; n += 1) {
      const principalArn = await makeRole(`many-${n}`)
      await here.eks.send(new CreateAccessEntryCommand({ clusterName: CLUSTER, principalArn }))
    }
    here.sandbox.aws.faults.replace(['eks:*=throttle@10'])
    const { code, out } = await run(`list ${at} -o json`)
    expect(code).toBe(0)
    const entries = JSON.parse(out) as { principalArn: string }[]
    expect(entries.filter(({ principalArn }) => principalArn.includes('many-'))).toHaveLength(104)
  })

  step('while EKS shows its writes late, an entry is made all the same', async () => {
    const arn = await makeRole('late')
    here.sandbox.aws.faults.replace(['eks:*=eventual:1s'])
    const { code, err } = await run(
      `create ${arn} ${at} --access-policy AmazonEKSViewPolicy=cluster`,
    )
    expect({ code, err }).toMatchObject({ code: 0 })
  })

  step('a cluster whose authentication mode knows none says how to change that', async () => {
    const name = 'old'
    await here.eks.send(
      new CreateClusterCommand({
        name,
        roleArn: await makeRole('cluster'),
        resourcesVpcConfig: {},
        accessConfig: { authenticationMode: 'CONFIG_MAP' },
      }),
    )
    const { code, err } = await run('list --cluster old')
    expect(code).toBe(1)
    expect(err).toContain('has authentication mode CONFIG_MAP')
    expect(err).toContain('aws eks update-cluster-config --name old')
  })
})

describe('what is wrong is told before anything is written', () => {
  const ARN = `arn:aws:iam::${ACCOUNT}:role/nobody`
  test.each([
    [`create ${at}`, 'no IAM role or user is given'],
    [`create ${ARN} --principal-arn ${ARN}x ${at}`, 'two principals are given'],
    [
      `create x ${at} --type y --kubernetes-groups system:masters --access-policy z`,
      '4 things are',
    ],
    [`create ${ARN} ${at}`, 'invalid principal'],
    [
      `create ${ARN} ${at} --access-policy AmazonEKSNoPolicy=cluster`,
      'EKS has no access policy AmazonEKSNoPolicy',
    ],
    [`update ${ARN} ${at}`, 'nothing is named that is to be changed'],
    [`update ${ARN} ${at} --tags a=b`, 'has no access entry in cluster blue'],
    [`describe ${ARN} ${at}`, `podrole access-entry create ${ARN} --cluster blue`],
    ['list --cluster nobody', 'ResourceNotFound'],
  ])(
    '%s',
    async (line, message) => {
      const { code, err } = await run(line)
      expect(code).toBe(1)
      expect(err).toContain(message)
      expect(here.writes.filter((action) => action.includes('nobody'))).toEqual([])
    },
    STEP_MS,
  )
})
