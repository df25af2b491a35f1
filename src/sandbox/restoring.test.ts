import {
  CreateClusterCommand,
  CreatePodIdentityAssociationCommand,
  DeleteClusterCommand,
  DescribeClusterCommand,
  EKSClient,
  ListClustersCommand,
  ListPodIdentityAssociationsCommand,
} from '@aws-sdk/client-eks'
import {
  CreateRoleCommand,
  DeleteRoleCommand,
  IAMClient,
  ListRolesCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { type KubeClient, NODES, PODS, SERVICE_ACCOUNTS } from '../kube/client.ts'
import type { KubeNode, Pod, PodSpec } from '../kube/objects.ts'
import { systemClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { createImageTable } from './node/images.ts'
import { until } from './node/node.suite.ts'
import { type Attachment, type Sandbox, startSandbox } from './sandbox.ts'

const REGION = 'eu-central-1'
const TRUST = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: 'pods.eks.amazonaws.com' },
      Action: ['sts:AssumeRole', 'sts:TagSession'],
    },
  ],
})

let sandbox: Sandbox
let iam: IAMClient
let eks: EKSClient
const attached: string[] = []

async function attach({ name }: { readonly name: string }): Promise<Attachment> {
  attached.push(`+${name}`)
  return {
    restored: async () => void attached.push(`restored ${name}`),
    stop: async () => void attached.push(`-${name}`),
  }
}

beforeAll(async () => {
  sandbox = await startSandbox({
    port: 0,
    accountIds: ['111122223333'],
    region: REGION,
    clusters: [{ name: 'one', region: REGION, kind: 'eks' }],
    resolve: [],
    trustCas: [],
    images: createImageTable(),
    network: 'loopback',
    clock: systemClock,
    log: silentLog,
    attach,
  })
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const settings = {
    region: REGION,
    endpoint: sandbox.endpoint,
    credentials: { accessKeyId, secretAccessKey: secretAccessKey.reveal() },
    maxAttempts: 1,
  }
  iam = new IAMClient(settings)
  eks = new EKSClient(settings)
})
afterAll(() => sandbox.stop())
beforeEach(() => void attached.splice(0))

const clientOf = (cluster: string): KubeClient => sandbox.clusters.get(cluster)!.client
const refOf = (name: string): { name: string; namespace: string } => ({
  name,
  namespace: 'default',
})

const run = (name: string, script: string, spec: Partial<PodSpec> = {}): Promise<Pod> =>
  clientOf('one').create<Pod>(PODS, {
    metadata: refOf(name),
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 5,
      ...spec,
      containers: [{ name: 'main', image: 'busybox', command: ['sh', '-c', script] }],
    },
  })
const find = (name: string): Promise<Pod | undefined> =>
  clientOf('one')
    .get<Pod>(PODS, refOf(name))
    .catch(() => undefined)
const phase = (name: string, wanted: string): Promise<Pod> =>
  until(async () => {
    const pod = await find(name)
    return pod?.status?.phase === wanted && pod
  })
/** A command of its own for each pod: its processes are found by it, whatever namespace they are in. */
const RUN = Math.floor(Math.random() * 1e9)
const sleeps = (seconds: number): string => `exec sleep ${seconds}.${RUN}`
const sleeping = (seconds: number): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `sleep\0${seconds}.${RUN}\0`
    } catch {
      return false
    }
  })
/** The one process that sleeps so long. */
const sleeper = (seconds: number): Promise<string> => until(() => sleeping(seconds)[0])
const roleNames = async (): Promise<string[]> =>
  ((await iam.send(new ListRolesCommand({}))).Roles ?? []).map(({ RoleName = '' }) => RoleName)
const makeRole = async (RoleName: string): Promise<string> =>
  (await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: TRUST }))).Role
    ?.Arn ?? ''
const restore = (id: string): Promise<unknown> => sandbox.snapshots.restore(id)

describe('a sandbox comes back', () => {
  test("AWS's records and service accounts, together", async () => {
    const roleArn = await makeRole('kept')
    await clientOf('one').create(SERVICE_ACCOUNTS, { metadata: refOf('app') })
    const association = { clusterName: 'one', namespace: 'default', serviceAccount: 'app', roleArn }
    await eks.send(new CreatePodIdentityAssociationCommand(association))
    sandbox.snapshots.take('records')
    await iam.send(new DeleteRoleCommand({ RoleName: 'kept' }))
    await makeRole('made')
    await clientOf('one').delete(SERVICE_ACCOUNTS, refOf('app'))
    await eks.send(
      new CreatePodIdentityAssociationCommand({
        ...association,
        serviceAccount: 'other',
        roleArn: roleArn.replace('kept', 'made'),
      }),
    )
    await restore('records')
    expect(await roleNames()).toContain('kept')
    expect(await roleNames()).not.toContain('made')
    expect((await clientOf('one').get(SERVICE_ACCOUNTS, refOf('app'))).kind).toBe('ServiceAccount')
    const { associations } = await eks.send(
      new ListPodIdentityAssociationsCommand({ clusterName: 'one' }),
    )
    expect(associations?.map(({ serviceAccount }) => serviceAccount)).toEqual(['app'])
    expect(attached).toEqual(['restored one'])
  })

  test('at once, also where writes are seen late', async () => {
    sandbox.aws.faults.replace(['iam:*=eventual:1h'])
    await makeRole('late')
    expect(await roleNames()).not.toContain('late')
    sandbox.snapshots.take('late')
    await iam.send(new DeleteRoleCommand({ RoleName: 'late' }))
    await restore('late')
    expect(await roleNames()).toContain('late')
    sandbox.aws.faults.replace([])
  })

  test('pods that were made since are killed, those that were deleted since start anew', async () => {
    await run('stays', sleeps(6001))
    await run('deleted', sleeps(6002))
    await phase('stays', 'Running')
    const { uid } = (await phase('deleted', 'Running')).metadata
    const [stays, deleted] = [await sleeper(6001), await sleeper(6002)]
    sandbox.snapshots.take('pods')
    await run('made', sleeps(6003))
    await sleeper(6003)
    await clientOf('one').delete(PODS, refOf('deleted'))
    await until(() => sleeping(6002).length === 0)
    await restore('pods')
    await until(() => sleeping(6003).length === 0)
    expect(await find('made')).toBeUndefined()
    expect((await phase('deleted', 'Running')).metadata.uid).toBe(uid ?? '')
    expect(await sleeper(6002)).not.toBe(deleted)
    expect(sleeping(6001)).toEqual([stays])
  })

  test('a pod that is being deleted, however far, starts anew and stays', async () => {
    await run('ending', 'trap "sleep 0.05; exit 0" TERM; while true; do sleep 0.01; done')
    await phase('ending', 'Running')
    sandbox.snapshots.take('ending')
    for (const waitMs of [0, 20, 50, 70, 90, 200]) {
      await clientOf('one').delete(PODS, refOf('ending'))
      await Bun.sleep(waitMs)
      await restore('ending')
      const pod = await phase('ending', 'Running')
      expect({ waitMs, marked: pod.metadata.deletionTimestamp }).toEqual({
        waitMs,
        marked: undefined,
      })
      await Bun.sleep(150)
      expect({ waitMs, phase: (await find('ending'))?.status?.phase }).toEqual({
        waitMs,
        phase: 'Running',
      })
    }
  })

  test('a pod that ended since runs again, and one that had ended has', async () => {
    await run('once', `${sleeps(6004).replace('exec ', '')}; exit 0`)
    const first = await sleeper(6004)
    await phase('once', 'Running')
    sandbox.snapshots.take('once-runs')
    process.kill(Number(first), 'SIGKILL')
    await phase('once', 'Succeeded')
    sandbox.snapshots.take('once-over')
    await restore('once-runs')
    await phase('once', 'Running')
    await sleeper(6004)
    await restore('once-over')
    expect((await find('once'))?.status?.phase).toBe('Succeeded')
    await until(() => sleeping(6004).length === 0)
    expect((await find('once'))?.status?.phase).toBe('Succeeded')
  })

  test('a node stays what it is, though its object was deleted', async () => {
    sandbox.snapshots.take('node')
    const name = sandbox.clusters.get('one')!.nodes[0]!.name
    const before = await clientOf('one').get<KubeNode>(NODES, { name })
    await clientOf('one').delete(NODES, { name })
    await restore('node')
    const { metadata, status } = await clientOf('one').get<KubeNode>(NODES, { name })
    expect([metadata.uid, status]).toEqual([before.metadata.uid, before.status])
    await run('after', sleeps(6005))
    await phase('after', 'Running')
  })

  test('EKS clusters that were made since are gone, those that were deleted since are the same', async () => {
    const roleArn = await makeRole('cluster-role')
    const create = async (name: string): Promise<string | undefined> => {
      const resourcesVpcConfig = { subnetIds: ['subnet-1'] }
      await eks.send(new CreateClusterCommand({ name, roleArn, resourcesVpcConfig }))
      return (await active(name)).identity?.oidc?.issuer
    }
    const active = (name: string): Promise<NonNullable<Awaited<ReturnType<typeof describeOne>>>> =>
      until(async () => {
        const cluster = await describeOne(name)
        return cluster?.status === 'ACTIVE' && cluster
      })
    const describeOne = async (name: string) =>
      (await eks.send(new DescribeClusterCommand({ name }))).cluster
    const names = async (): Promise<string[] | undefined> =>
      (await eks.send(new ListClustersCommand({}))).clusters?.toSorted()
    const issuer = await create('two')
    await clientOf('two').create(SERVICE_ACCOUNTS, { metadata: refOf('app') })
    const token = await clientOf('two').createToken(refOf('app'), { audiences: [] })
    const { adminToken } = sandbox.clusters.get('two')!.cluster
    sandbox.snapshots.take('clusters')
    await eks.send(new DeleteClusterCommand({ name: 'two' }))
    await until(() => !sandbox.clusters.has('two'))
    const other = await create('three')
    expect(await names()).toEqual(['one', 'three'])
    attached.splice(0)
    await restore('clusters')
    expect(attached).toEqual(['-three', 'restored one', '+two'])
    expect(await names()).toEqual(['one', 'two'])
    expect([...sandbox.clusters.keys()].toSorted()).toEqual(['one', 'two'])
    const two = await active('two')
    const { cluster } = sandbox.clusters.get('two')!
    expect([two.identity?.oidc?.issuer, two.endpoint]).toEqual([issuer, cluster.server])
    expect(cluster.adminToken.reveal()).toBe(adminToken.reveal())
    expect((await clientOf('two').get(SERVICE_ACCOUNTS, refOf('app'))).kind).toBe('ServiceAccount')
    const asked = await fetch(`${cluster.server}/version`, {
      headers: { authorization: `Bearer ${token}` },
      tls: { ca: cluster.certificateAuthority },
      proxy: false,
      redirect: 'error',
      signal: AbortSignal.timeout(10_000),
    })
    await asked.text()
    expect(asked.status).toBe(200)
    // A cluster of the same name that was made since is another one.
    await eks.send(new DeleteClusterCommand({ name: 'two' }))
    await until(() => !sandbox.clusters.has('two'))
    expect(await create('two')).not.toBe(issuer)
    await restore('clusters')
    expect((await active('two')).identity?.oidc?.issuer).toBe(issuer)
    expect(other).not.toBe(issuer)
  })

  test('while a cluster is being made, and back to that moment', async () => {
    const roleArn = await makeRole('other-role')
    const resourcesVpcConfig = { subnetIds: ['subnet-1'] }
    const make = (name: string): Promise<unknown> =>
      eks.send(new CreateClusterCommand({ name, roleArn, resourcesVpcConfig }))
    sandbox.snapshots.take('before')
    await make('four')
    sandbox.snapshots.take('during')
    await restore('before')
    expect(sandbox.clusters.has('four')).toBe(false)
    for (let times = 0; times < 2; times += 1) {
      await restore('during')
      const { cluster } = await eks.send(new DescribeClusterCommand({ name: 'four' }))
      expect(cluster?.status).toBe('ACTIVE')
      expect(sandbox.clusters.has('four')).toBe(true)
    }
    await restore('before')
    await expect(eks.send(new DescribeClusterCommand({ name: 'four' }))).rejects.toThrow(/four/)
  })
})
