import { createHash } from 'node:crypto'
import type { Caller } from '../../iam/request.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Handler } from '../../lib/handler.ts'
import type { Log } from '../../lib/log.ts'
import type { Jwks, KeySet } from '../../token/jwks.ts'
import type { IssuerNames } from '../../issuer/outside/issuer-names.ts'
import type { DecisionRecorder } from './decisions.ts'
import type { FaultBoard } from './faults/board.ts'
import type { EventualTables } from './faults/eventual.ts'
import type { KeyRecord, Tables } from './records.ts'
import type { RequestRates } from './sts/request-rates.ts'

/** What CreateCluster asks for, and what a launched cluster is told of itself. */
export interface ClusterSpec {
  readonly name: string
  readonly region: string
  readonly accountId: string
  readonly kubernetesVersion?: string
  readonly roleArn?: string
  readonly tags?: Readonly<Record<string, string>>
}

/** The running cluster behind an EKS cluster's record. */
export interface ClusterRuntime {
  /** `https://…`, as its tokens' `iss`. */
  readonly issuer: string
  /** The Kubernetes API's URL. */
  readonly server: string
  /** PEM. */
  readonly certificateAuthority: string
  jwks(): Jwks
  /** Discovery document and keys, at the issuer's path. */
  readonly issuerApp: Handler
}

/** The faults that are in force, and the tables of those that delay what is seen. */
export interface WorldFaults {
  readonly board: FaultBoard
  readonly tables: EventualTables
}

/** Everything that an operation can reach. */
export interface World {
  readonly tables: Tables
  /** What decisions see: `tables`, but for writes that are to be seen late. */
  readonly seen: Tables
  readonly faults: WorldFaults
  /** The keys of an issuer, as STS has them. @throws PodroleError */
  readonly issuerKeys: (issuer: string) => Promise<KeySet>
  /** Of encoded authorization messages; not state. */
  readonly messageKey: Uint8Array
  /** What is left of STS's request quota; not state. */
  readonly stsRates: RequestRates
  readonly clock: Clock
  readonly log: Log
  readonly names: IssuerNames
  readonly decisions: DecisionRecorder
  readonly accountIds: readonly string[]
  readonly region: string
  /** `aws`, `aws-cn`, `aws-us-gov`. */
  readonly partition: string
  /** By `clusterKey`; not state: it is there again when the cluster runs again. */
  readonly runtimes: Map<string, ClusterRuntime>
  readonly launchCluster?: (spec: ClusterSpec) => Promise<ClusterRuntime>
  readonly stopCluster?: (spec: ClusterSpec) => Promise<void>
}

/** Who a call comes from. */
export interface Identity {
  readonly caller: Caller
  /** The key that signed it; none where it was not signed. */
  readonly key?: KeyRecord
}

export type Protocol = 'query' | 'json' | 's3'

/** One call of an operation, authenticated. */
export interface Call {
  readonly world: World
  readonly protocol: Protocol
  /** `sts`, `iam`, `eks`, `eks-auth`, `s3`. */
  readonly service: string
  readonly operation: string
  /** Of the signature's scope, or the sandbox's own. */
  readonly region: string
  readonly requestId: string
  readonly nowMs: number
  readonly sourceIp: string
  /** Over TLS. */
  readonly secure: boolean
  readonly userAgent: string
  readonly identity: Identity
}

/** The account that a call is made in; empty for one that is not signed. */
export function accountOf(call: Call): string {
  const { caller } = call.identity
  return 'accountId' in caller ? caller.accountId : ''
}

/** How a caller is named in answers and in the decision log. */
export function callerName(caller: Caller): string {
  switch (caller.kind) {
    case 'anonymous':
      return 'anonymous'
    case 'web-identity':
      return caller.provider
    case 'service':
      return caller.service
    case 'root':
    case 'user':
    case 'role-session':
    case 'federated-user':
      return caller.arn
    default:
      return caller satisfies never
  }
}

/** AWS's canonical user id: 64 hexadecimal digits that stand for an account in S3. */
export const canonicalIdOf = (accountId: string): string =>
  createHash('sha256').update(`canonical-user:${accountId}`).digest('hex')
