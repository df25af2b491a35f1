/** Makes a case's set-up in the sandbox's AWS and Kubernetes, and changes it to another. */
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
import type { SetUp, Words } from '../../src/doctor/explain/cases.suite.ts'
import { type KubeClient, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { ServiceAccount } from '../../src/kube/objects.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'

const KEY = 'today.txt'
const RoleName = 'orders'

type Role = NonNullable<SetUp['role']>

const NOTHING: Pick<SetUp, 'bucket' | 'organization' | 'providers' | 'role' | 'serviceAccount'> = {
  bucket: {},
  organization: {},
  providers: {},
}

interface Surroundings {
  readonly sandbox: Sandbox
  readonly words: Words
  readonly client: KubeClient
  readonly region: string
}

export class CaseWorld {
  readonly #around: Surroundings
  readonly #iam: IAMClient
  readonly #s3: S3Client
  #now = NOTHING

  private constructor(around: Surroundings, iam: IAMClient, s3: S3Client) {
    this.#around = around
    this.#iam = iam
    this.#s3 = s3
  }

  /** With a bucket that holds the object, and nothing else. */
  static async open(around: Surroundings): Promise<CaseWorld> {
    const { region, sandbox, words } = around
    const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials(words.account)
    const credentials = { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
    const config = { region, endpoint: sandbox.endpoint, credentials }
    const s3 = new S3Client({ ...config, forcePathStyle: true })
    await s3.send(new CreateBucketCommand({ Bucket: words.bucket }))
    await s3.send(new PutObjectCommand({ Bucket: words.bucket, Key: KEY, Body: 'tea' }))
    return new CaseWorld(around, new IAMClient(config), s3)
  }

  async establish(wanted: SetUp): Promise<void> {
    await this.#serviceAccount(wanted)
    await this.#providers(wanted)
    await this.#role(wanted.role)
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

  async #policies(before: Role | undefined, wanted: Role | undefined): Promise<void> {
    if (same(before, wanted)) return
    const iam = this.#iam
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
    `arn:aws:iam::${this.#around.words.account}:policy/${name}`

  async #managed(PolicyName: string, policy: object): Promise<void> {
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

const same = (one: unknown, other: unknown): boolean =>
  JSON.stringify(one) === JSON.stringify(other)
