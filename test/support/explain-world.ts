/** Makes a case's set-up in the sandbox's AWS and Kubernetes, and changes it to another. */
import {
  CreatePodIdentityAssociationCommand,
  DeletePodIdentityAssociationCommand,
  EKSClient,
  ListPodIdentityAssociationsCommand,
} from '@aws-sdk/client-eks'
import {
  AttachRolePolicyCommand,
  CreateOpenIDConnectProviderCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  DeleteOpenIDConnectProviderCommand,
  DeleteRoleCommand,
  DeleteRolePermissionsBoundaryCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  IAMClient,
  PutRolePermissionsBoundaryCommand,
  PutRolePolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam'
import {
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { createAssociation, deleteAssociation } from '../../src/cli/parts/associations.ts'
import type { BrokerPart } from '../../src/cli/parts/broker-part.ts'
import type { SetUp, Words } from '../../src/doctor/explain/cases.suite.ts'
import { type KubeClient, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { ServiceAccount } from '../../src/kube/objects.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'

const KEY = 'today.txt'

type Role = NonNullable<SetUp['role']>

type Made = Omit<SetUp, 'agent' | 'issuer' | 'pod' | 'webhook'>

const NOTHING: Made = {
  bucket: {},
  organization: {},
  providers: {},
}

const TRUSTS_PODS = {
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: 'pods.eks.amazonaws.com' },
      Action: ['sts:AssumeRole', 'sts:TagSession'],
    },
  ],
}

interface Surroundings {
  readonly sandbox: Sandbox
  readonly words: Words
  readonly client: KubeClient
  readonly region: string
  /** Where associations are, in place of EKS. */
  readonly broker?: BrokerPart | undefined
}

export class CaseWorld {
  readonly #around: Surroundings
  readonly #iam: IAMClient
  readonly #s3: S3Client
  readonly #eks: EKSClient
  #now = NOTHING

  private constructor(around: Surroundings, iam: IAMClient, s3: S3Client, eks: EKSClient) {
    this.#around = around
    this.#iam = iam
    this.#s3 = s3
    this.#eks = eks
  }

  /** With a bucket that holds the object, and nothing else. */
  static async open(around: Surroundings): Promise<CaseWorld> {
    const { region, sandbox, words } = around
    const config = clientConfig(sandbox, region, words.account)
    const s3 = new S3Client({ ...config, forcePathStyle: true })
    await s3.send(new CreateBucketCommand({ Bucket: words.bucket }))
    await s3.send(new PutObjectCommand({ Bucket: words.bucket, Key: KEY, Body: 'tea' }))
    return new CaseWorld(around, new IAMClient(config), s3, new EKSClient(config))
  }

  async establish(wanted: SetUp): Promise<void> {
    await this.#serviceAccount(wanted)
    await this.#providers(wanted)
    await this.#role(wanted.role)
    await this.#targetRole(wanted.targetRole)
    await this.#roleAgain(wanted.role)
    await this.#association(wanted)
    await this.#bucket(wanted)
    this.#organization(wanted)
    this.#now = wanted
  }

  async #serviceAccount({ serviceAccount }: SetUp): Promise<void> {
    const { client, words } = this.#around
    const ref = { namespace: words.namespace, name: 'orders' }
    const before = this.#now.serviceAccount
    if (before === undefined) {
      if (serviceAccount === undefined) return
      await client.create<ServiceAccount>(SERVICE_ACCOUNTS, {
        metadata: { ...ref, ...serviceAccount },
      })
      return
    }
    if (serviceAccount === undefined) {
      await client.delete(SERVICE_ACCOUNTS, ref)
      return
    }
    const gone = Object.keys(before.annotations).map((key) => [key, null])
    const annotations = { ...Object.fromEntries(gone), ...serviceAccount.annotations }
    await client.mergePatch(SERVICE_ACCOUNTS, ref, { metadata: { annotations } })
  }

  async #providers({ providers }: SetUp): Promise<void> {
    const { account } = this.#around.words
    for (const [url, clientIds] of Object.entries(this.#now.providers)) {
      if (String(providers[url]) === String(clientIds)) continue
      const arn = `arn:aws:iam::${account}:oidc-provider/${url.slice('https://'.length)}`
      const input = { OpenIDConnectProviderArn: arn }
      await this.#iam.send(new DeleteOpenIDConnectProviderCommand(input))
    }
    for (const [Url, ClientIDList] of Object.entries(providers)) {
      if (String(this.#now.providers[Url]) === String(ClientIDList)) continue
      const input = { Url, ClientIDList, ThumbprintList: ['0'.repeat(40)] }
      await this.#iam.send(new CreateOpenIDConnectProviderCommand(input))
    }
  }

  async #role(wanted: Role | undefined): Promise<void> {
    const RoleName = this.#around.words.role
    const before = this.#now.role
    if (before !== undefined && (wanted === undefined || wanted.path !== before.path)) {
      await this.#policies(before, undefined)
      await this.#iam.send(new DeleteRoleCommand({ RoleName }))
      this.#now = { ...this.#now, role: undefined }
      await this.#role(wanted)
      return
    }
    if (wanted === undefined) return
    const AssumeRolePolicyDocument = JSON.stringify(wanted.trust)
    if (before === undefined) {
      const { maxSessionSeconds: MaxSessionDuration, path: Path } = wanted
      const input = { RoleName, Path, AssumeRolePolicyDocument, MaxSessionDuration }
      await this.#iam.send(new CreateRoleCommand(input))
    } else if (!same(wanted.trust, before.trust)) {
      const input = { RoleName, PolicyDocument: AssumeRolePolicyDocument }
      await this.#iam.send(new UpdateAssumeRolePolicyCommand(input))
    }
    await this.#policies(before, wanted)
  }

  /** Deletes it and makes it anew: what trusts the former one goes on to. */
  async #roleAgain(wanted: Role | undefined): Promise<void> {
    if (wanted?.madeAgain !== true || this.#now.role !== undefined) return
    await this.#policies(wanted, undefined)
    await this.#iam.send(new DeleteRoleCommand({ RoleName: this.#around.words.role }))
    await this.#role(wanted)
  }

  async #targetRole(wanted: SetUp['targetRole']): Promise<void> {
    if (wanted === undefined || same(wanted, this.#now.targetRole)) return
    const RoleName = `${this.#around.words.role}-target`
    const AssumeRolePolicyDocument = JSON.stringify(wanted.trust)
    const { region, sandbox } = this.#around
    const iam =
      wanted.account === undefined
        ? this.#iam
        : new IAMClient(clientConfig(sandbox, region, wanted.account))
    await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }))
    for (const [PolicyName, policy] of Object.entries(wanted.inline)) {
      const PolicyDocument = JSON.stringify(policy)
      await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument }))
    }
  }

  async #association({ association, role }: SetUp): Promise<void> {
    if (same(association, this.#now.association)) return
    const { cluster: clusterName, namespace } = this.#around.words
    const key = { clusterName, namespace, serviceAccount: 'orders' }
    const { broker } = this.#around
    if (broker !== undefined) {
      if (this.#now.association !== undefined) await deleteAssociation(broker.endpoint, key)
      if (association === undefined) return
      const { disableSessionTags = false, role: roleArn } = association
      await createAssociation(broker.endpoint, { ...key, roleArn, disableSessionTags })
      return
    }
    const { associations: [old] = [] } = await this.#eks.send(
      new ListPodIdentityAssociationsCommand(key),
    )
    if (old !== undefined) {
      const input = { clusterName, associationId: old.associationId }
      await this.#eks.send(new DeletePodIdentityAssociationCommand(input))
    }
    if (association === undefined) return
    const RoleName = this.#around.words.role
    // EKS looks at the trust policy when an association is made, and never again.
    const put = (policy: object): Promise<unknown> =>
      this.#iam.send(
        new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: JSON.stringify(policy) }),
      )
    await put(TRUSTS_PODS)
    const { disableSessionTags, policy, role: roleArn, targetRole } = association
    await this.#eks.send(
      new CreatePodIdentityAssociationCommand({
        ...key,
        roleArn,
        disableSessionTags,
        ...(targetRole !== undefined && { targetRoleArn: targetRole }),
        ...(policy !== undefined && { policy: JSON.stringify(policy) }),
      }),
    )
    if (role !== undefined) await put(role.trust)
  }

  async #policies(before: Role | undefined, wanted: Role | undefined): Promise<void> {
    if (same(before, wanted)) return
    const iam = this.#iam
    const RoleName = this.#around.words.role
    for (const PolicyName of Object.keys(before?.inline ?? {})) {
      await iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName }))
    }
    for (const name of Object.keys(before?.attached ?? {})) {
      await iam.send(new DetachRolePolicyCommand({ RoleName, PolicyArn: this.#policyArn(name) }))
    }
    for (const [PolicyName, policy] of Object.entries(wanted?.inline ?? {})) {
      const PolicyDocument = JSON.stringify(policy)
      await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument }))
    }
    for (const [name, policy] of Object.entries(wanted?.attached ?? {})) {
      if (before?.attached[name] === undefined) await this.#managed(name, policy)
      await iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn: this.#policyArn(name) }))
    }
    if (same(before?.boundary, wanted?.boundary)) return
    if (wanted?.boundary === undefined) {
      await iam.send(new DeleteRolePermissionsBoundaryCommand({ RoleName }))
      return
    }
    await this.#managed('boundary', wanted.boundary)
    const PermissionsBoundary = this.#policyArn('boundary')
    await iam.send(new PutRolePermissionsBoundaryCommand({ RoleName, PermissionsBoundary }))
  }

  readonly #policyArn = (name: string): string =>
    `arn:aws:iam::${this.#around.words.account}:policy/${this.#around.words.role}-${name}`

  async #managed(name: string, policy: object): Promise<void> {
    const PolicyName = `${this.#around.words.role}-${name}`
    const PolicyDocument = JSON.stringify(policy)
    await this.#iam.send(new CreatePolicyCommand({ PolicyName, PolicyDocument }))
  }

  async #bucket({ bucket: { policy } }: SetUp): Promise<void> {
    const Bucket = this.#around.words.bucket
    if (same(policy, this.#now.bucket.policy)) return
    if (policy === undefined) await this.#s3.send(new DeleteBucketPolicyCommand({ Bucket }))
    else {
      const input = { Bucket, Policy: JSON.stringify(policy) }
      await this.#s3.send(new PutBucketPolicyCommand(input))
    }
  }

  #organization({ organization }: SetUp): void {
    if (same(organization, this.#now.organization)) return
    const { sandbox, words } = this.#around
    const policies = Object.entries(organization).map(([name, policy]) => ({
      name,
      document: JSON.stringify(policy),
    }))
    sandbox.aws.setServiceControlPolicies(words.account, policies)
  }
}

interface ClientConfig {
  readonly region: string
  readonly endpoint: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

function clientConfig(sandbox: Sandbox, region: string, account: string): ClientConfig {
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials(account)
  const credentials = { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
  return { region, endpoint: sandbox.endpoint, credentials }
}

const same = (one: unknown, other: unknown): boolean =>
  JSON.stringify(one) === JSON.stringify(other)
