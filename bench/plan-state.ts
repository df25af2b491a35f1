/** Ten clusters in a sandbox with a thousand service accounts each, as files and as what is there. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { callEks } from '../src/cli/parts/associations.ts'
import { NAMESPACES, SERVICE_ACCOUNTS } from '../src/kube/client.ts'
import { systemClock } from '../src/lib/clock.ts'
import { mapLimited } from '../src/lib/map-limited.ts'
import type { Plan, PlanAction } from '../src/manage/plan/plan.ts'
import { type Sandbox, startSandbox } from '../src/sandbox/sandbox.ts'
import { ACCOUNT, REGION } from './fixtures.ts'
import { callIam } from './iam-calls.ts'
import { droppingLog } from './measure.ts'

export const CLUSTERS = 10
export const PER_CLUSTER = 1000
const PER_ROLE = 5
const PER_NAMESPACE = 50
const AT_ONCE = 32

const nameOf = (cluster: number): string => `cluster-${cluster}`

export async function startPlanSandbox(): Promise<Sandbox> {
  const sandbox = await startSandbox({
    port: 0,
    accountIds: [ACCOUNT],
    region: REGION,
    clusters: Array.from({ length: CLUSTERS }, (_, at) => ({
      name: nameOf(at),
      region: REGION,
      kind: 'eks' as const,
      nodes: 0,
    })),
    resolve: [],
    trustCas: [],
    images: { find: () => ({ missing: 'no pod runs here' }) },
    network: 'loopback',
    clock: systemClock,
    log: droppingLog,
  })
  sandbox.aws.setQuota({ name: 'roles', accountId: '*', value: 10_000 })
  return sandbox
}

/** The folder of a file for each cluster, as somebody would write them. */
export function writeFiles(folder: string): string {
  const files = join(folder, 'clusters')
  mkdirSync(files)
  for (let cluster = 0; cluster < CLUSTERS; cluster += 1) {
    const rows = Array.from(
      { length: PER_CLUSTER },
      (_, at) => `    - namespace: ns-${Math.floor(at / PER_NAMESPACE)}
      serviceAccountName: app-${at}
      createServiceAccount: true
      roleName: ${nameOf(cluster)}-${Math.floor(at / PER_ROLE)}
      permissionPolicyARNs: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
      tags: { team: shop }
`,
    )
    writeFileSync(
      join(files, `${nameOf(cluster)}.yaml`),
      `apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: { name: ${nameOf(cluster)}, region: ${REGION} }
iam:
  podIdentityAssociations:
${rows.join('')}`,
    )
  }
  return files
}

/** The environment of somebody at the sandbox. */
export function environmentOf(sandbox: Sandbox, folder: string): Record<string, string> {
  const kubeconfigs = [...sandbox.clusters.values()].map(({ cluster, name }) => {
    const file = join(folder, `${name}.kubeconfig`)
    // Beside one another, the first user of a name wins.
    const text = cluster.kubeconfig().replaceAll('"admin"', `"${name}-admin"`)
    writeFileSync(file, text, { mode: 0o600 })
    return file
  })
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    XDG_STATE_HOME: join(folder, 'state'),
    AWS_ENDPOINT_URL: sandbox.endpoint,
    AWS_REGION: REGION,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey.reveal(),
    KUBECONFIG: kubeconfigs.join(delimiter),
  }
}

/** Makes what a first plan asks for, by the APIs and without podrole. */
export async function carryOut({ steps }: Plan, sandbox: Sandbox): Promise<void> {
  const kinds = [
    'create-role',
    'attach-policy',
    'create-namespace',
    'create-service-account',
    'create-association',
  ]
  const left = steps.find(({ action }) => !kinds.includes(action.do))
  if (left !== undefined) throw new Error(`nobody carries out ${left.id}`)
  for (const kind of kinds) {
    const those = steps.map(({ action }) => action).filter((action) => action.do === kind)
    await mapLimited(those, AT_ONCE, (action) => make(action, sandbox))
  }
}

async function make(action: PlanAction, sandbox: Sandbox): Promise<unknown> {
  const credentials = sandbox.aws.adminCredentials()
  const clientOf = (
    arn: string,
  ): Sandbox['clusters'] extends ReadonlyMap<string, infer C> ? C : never => {
    const found = sandbox.clusters.get(arn.split('/').at(-1) ?? '')
    if (found === undefined) throw new Error(`no cluster ${arn}`)
    return found
  }
  switch (action.do) {
    case 'create-role': {
      const { name, tags, trustPolicy } = action.role
      const pairs = Object.entries(tags).flatMap(([key, value], at) => [
        [`Tags.member.${at + 1}.Key`, key] as const,
        [`Tags.member.${at + 1}.Value`, value] as const,
      ])
      return callIam(sandbox.endpoint, credentials, {
        Action: 'CreateRole',
        RoleName: name,
        AssumeRolePolicyDocument: trustPolicy,
        ...Object.fromEntries(pairs),
      })
    }
    case 'attach-policy':
      return callIam(sandbox.endpoint, credentials, {
        Action: 'AttachRolePolicy',
        RoleName: action.role,
        PolicyArn: action.policyArn,
      })
    case 'create-namespace':
      return clientOf(action.cluster).client.create(NAMESPACES, {
        metadata: { name: action.namespace },
      })
    case 'create-service-account': {
      const { annotations, labels, serviceAccount } = action.object
      const metadata = { ...serviceAccount, annotations, labels }
      return clientOf(action.cluster).client.create(SERVICE_ACCOUNTS, { metadata })
    }
    case 'create-association': {
      const { serviceAccount, settings, tags } = action.association
      const path = `/clusters/${clientOf(action.cluster).name}/pod-identity-associations`
      const endpoint = { url: sandbox.endpoint, region: REGION, credentials }
      return callEks(endpoint, 'POST', path, {
        namespace: serviceAccount.namespace,
        serviceAccount: serviceAccount.name,
        ...settings,
        tags,
      })
    }
    default:
      throw new Error(`nobody carries out ${action.do}`)
  }
}
