/** A sandbox with an EKS cluster and one that is not, podrole as typed beside it, and pods that read an object. */
import { EKSClient } from '@aws-sdk/client-eks'
import {
  CreateRoleCommand,
  GetRoleCommand,
  IAMClient,
  ListAttachedRolePoliciesCommand,
  ListRolePoliciesCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { type PodOutcome, runPod } from '../../src/cli/demo/pods.ts'
import type { WiredSandbox } from '../../src/cli/parts/wired-sandbox.ts'
import { NAMESPACES, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { ServiceAccount } from '../../src/kube/objects.ts'
import { codeOf } from '../../src/lib/errors.ts'
import type { ImageEntry } from '../../src/sandbox/node/images.ts'
import type { RunningCluster } from '../../src/sandbox/sandbox.ts'
import { type Desk, openDesk } from './podrole.ts'
import { startQuietSandbox } from './quiet-sandbox.ts'

export const ACCOUNT = '111122223333'
export const OTHER = '444455556666'
export const REGION = 'us-east-1'
export const ROLES = `arn:aws:iam::${ACCOUNT}:role`
const BUCKET = 'shop-orders'
const KEY = 'today.txt'

/** What `podrole association describe -o json` prints, as far as it is looked at. */
export interface ShownAssociation {
  readonly associationId: string
  readonly roleArn: string
  readonly targetRoleArn?: string
  readonly disableSessionTags: boolean
  readonly policy?: string
  readonly tags: Readonly<Record<string, string>>
}

export interface ShopJourney {
  readonly wired: WiredSandbox
  /** `shop-eks` */
  readonly eks: RunningCluster
  /** `shop-edge`, which has the namespace `shop`. */
  readonly edge: RunningCluster
  /** With `orders.json`, which lets read the object; KUBECONFIG is that of `eks`. */
  readonly desk: Desk
  readonly iam: IAMClient
  readonly eksApi: EKSClient
  /** Every action by which IAM or EKS was asked to change something, in order. */
  readonly writes: readonly string[]
  /** What a pod of that service account of the namespace `shop` gets when it reads the object. */
  readAs(cluster: RunningCluster, serviceAccount: string): Promise<PodOutcome>
  /** A role that may read the object; its ARN. EKS Pod Identity is trusted if nothing else is said. */
  makeRole(name: string, trustPolicy?: string): Promise<string>
  hasRole(name: string): Promise<boolean>
  /** All that a role may do and who may take it. */
  roleState(name: string): Promise<unknown>
  /** Of the namespace `shop`; undefined where there is none. */
  serviceAccountOf(cluster: RunningCluster, name: string): Promise<ServiceAccount | undefined>
  /** By the command itself; of `shop-eks`, if the options do not name another cluster. */
  describeAssociation(serviceAccount: string, options?: string): Promise<ShownAssociation>
  stop(): Promise<void>
}

/** A trust policy of one statement for EKS Pod Identity. */
export const podsTrust = (condition?: object): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Service: 'pods.eks.amazonaws.com' },
        Action: ['sts:AssumeRole', 'sts:TagSession'],
        ...(condition !== undefined && { Condition: condition }),
      },
    ],
  })

/** @param images further ones that pods may have */
export async function startShopJourney(
  images: Readonly<Record<string, ImageEntry>> = {},
): Promise<ShopJourney> {
  const wired = await startQuietSandbox({
    images,
    accountIds: [ACCOUNT, OTHER],
    region: REGION,
    clusters: [
      { name: 'shop-eks', region: REGION, kind: 'eks' },
      {
        name: 'shop-edge',
        region: REGION,
        kind: 'self-managed',
        issuer: 'https://edge.issuer.sandbox/clusters/edge',
      },
    ],
  })
  const { sandbox } = wired
  const [eks, edge] = [sandbox.clusters.get('shop-eks'), sandbox.clusters.get('shop-edge')]
  if (eks === undefined || edge === undefined) throw new Error('no clusters')
  const writes: string[] = []
  sandbox.aws.decisions.listen(({ action }) => {
    if (/^(?:iam|eks):(?!Get|List|Describe|PassRole|Simulate)/.test(action)) writes.push(action)
  })
  await edge.client.create(NAMESPACES, { metadata: { name: 'shop' } })
  const desk = openDesk(wired, {
    profiles: { shop: ACCOUNT, other: OTHER },
    cluster: eks,
    issuers: [wired.brokers[0]?.issuer ?? ''],
  })
  desk.write('orders.json', READ_ONLY)
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const credentials = { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
  const config = { region: REGION, endpoint: sandbox.endpoint, credentials }
  const s3 = new S3Client({ ...config, forcePathStyle: true })
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }))
  await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: KEY, Body: 'tea' }))
  return {
    wired,
    eks,
    edge,
    desk,
    eksApi: new EKSClient(config),
    writes,
    ...rolesOf(new IAMClient(config)),
    readAs: podReader(),
    describeAssociation: async (serviceAccount, options = '--cluster shop-eks') => {
      const describe = `association describe ${serviceAccount} ${options} -o json`
      const { code, err, out } = await desk.run(describe)
      if (code !== 0) throw new Error(err)
      return JSON.parse(out) as ShownAssociation
    },
    serviceAccountOf: async (cluster, name) => {
      try {
        return await cluster.client.get<ServiceAccount>(SERVICE_ACCOUNTS, {
          namespace: 'shop',
          name,
        })
      } catch (error) {
        if (codeOf(error) === 'NotFound') return undefined
        throw error
      }
    },
    stop: async () => {
      desk.remove()
      await wired.stop()
    },
  }
}

const READ_ONLY = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: `arn:aws:s3:::${BUCKET}/*` }],
})

function podReader(): ShopJourney['readAs'] {
  let pods = 0
  return (cluster, serviceAccount) => {
    pods += 1
    const args = ['check', BUCKET, KEY]
    const pod = { name: `reader-${pods}`, namespace: 'shop', serviceAccount, args }
    return runPod(cluster.client, pod)
  }
}

function rolesOf(iam: IAMClient): Pick<ShopJourney, 'iam' | 'makeRole' | 'hasRole' | 'roleState'> {
  return {
    iam,
    makeRole: async (RoleName, AssumeRolePolicyDocument = podsTrust()) => {
      const { Role } = await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }))
      const PolicyName = 'read'
      await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument: READ_ONLY }))
      return Role?.Arn ?? ''
    },
    hasRole: (RoleName) =>
      iam.send(new GetRoleCommand({ RoleName })).then(
        () => true,
        () => false,
      ),
    roleState: async (RoleName) => {
      const { Role } = await iam.send(new GetRoleCommand({ RoleName }))
      const { AttachedPolicies } = await iam.send(new ListAttachedRolePoliciesCommand({ RoleName }))
      const { PolicyNames } = await iam.send(new ListRolePoliciesCommand({ RoleName }))
      const { AssumeRolePolicyDocument, PermissionsBoundary, Tags } = Role ?? {}
      return { AssumeRolePolicyDocument, Tags, PermissionsBoundary, AttachedPolicies, PolicyNames }
    },
  }
}
