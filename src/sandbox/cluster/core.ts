import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import type { Secret } from '../../lib/secret.ts'
import type { Authorizer } from './authorization.ts'
import type { DecisionLog } from './decisions.ts'
import type { FieldValidation } from './decoding.ts'
import type { EksAccess } from './eks-access.ts'
import type { IssuedSecrets } from './issued-secrets.ts'
import type { ObjectStore } from './object-store.ts'
import type { Rbac } from './rbac/rbac-authorizer.ts'
import type { Registry } from './resource-types.ts'
import type { TokenKeys } from './token-keys.ts'
import type { UserInfo } from './users.ts'

/** What the parts of one cluster's API server share. */
export interface ClusterCore {
  readonly name: string
  readonly issuer: string
  readonly clock: Clock
  readonly log: Log
  readonly registry: Registry
  readonly store: ObjectStore
  readonly decisions: DecisionLog
  readonly authorize: Authorizer
  readonly rbac: Rbac
  /** Of an EKS cluster: its tokens and access policies. */
  readonly eks?: EksAccess
  /** The audiences that the API itself takes tokens for; the first is what a bare token is for. */
  readonly apiAudiences: readonly string[]
  /** Of service account tokens. */
  readonly tokenKeys: TokenKeys
  readonly issued: IssuedSecrets
  /** Static bearer tokens, by the SHA-256 of the token. */
  readonly staticTokens: Map<string, UserInfo>
  /** PEM of the authority that signed the API's certificate. */
  readonly certificateAuthority: string
  /** What the API shows a node's kubelet port as its own bearer token. */
  kubeletSecret(nodeName: string): Secret
  /** Ends watches that are open, when the server stops. */
  readonly stopping: AbortSignal
}

/** How one request, or one step of a controller, works on objects. */
export interface Operation {
  readonly user: UserInfo
  readonly dryRun: boolean
  readonly fieldValidation: FieldValidation
  /** The options of the write, as its query gave them: what webhooks are told. */
  readonly options?: Readonly<Record<string, unknown>>
  /** What is decoded is what a patch made. */
  readonly isPatch?: boolean
  /** Whose the fields are that it sets: `manager` of `metadata.managedFields`. */
  readonly fieldManager: string
  /** The object comes with its managedFields, as server-side apply has found them. */
  readonly isApply?: boolean
  /** A `Warning: 299` header of the answer. */
  warn(text: string): void
}

/** For the cluster's own parts. */
export function systemOperation(user: UserInfo): Operation {
  const name = user.username.replace('system:', '')
  // As those programs' user agents begin: the API server is `system:apiserver` to itself.
  const fieldManager = name.startsWith('kube-') ? name : `kube-${name}`
  return { user, dryRun: false, fieldValidation: 'Ignore', fieldManager, warn: () => undefined }
}
