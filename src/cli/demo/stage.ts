import type { IAMClient } from '@aws-sdk/client-iam'
import type { S3Client } from '@aws-sdk/client-s3'
import type { SandboxNode } from '../../sandbox/node/node.ts'
import type { RunningCluster, Sandbox } from '../../sandbox/sandbox.ts'
import type { TrustPolicyDocument } from '../../iam/trust.ts'
import type { BrokerPart } from '../parts/broker-part.ts'
import type { Breakable } from './breakable.ts'

/** What the demo's steps share. */
export interface Stage {
  readonly sandbox: Sandbox
  /** An EKS cluster, one node. */
  readonly eks: RunningCluster
  /** A self-managed cluster, two nodes. */
  readonly edge: RunningCluster
  readonly broker: BrokerPart
  readonly iam: IAMClient
  readonly s3: S3Client
  readonly broken: Breakable | undefined
  /** Ends the running part of that name on a cluster: what `--break` does to it. */
  readonly stopPart: (cluster: string, part: 'webhook' | 'agent') => Promise<void>
  /** Where a node's agent answers. */
  readonly agentUrl: (cluster: string, node: SandboxNode) => Promise<string>
  /** The command that an image stands for. */
  readonly commandOf: (image: string) => readonly string[]
  /** Statements of the one role's trust policy, added to as the ways are set up. */
  readonly trust: TrustPolicyDocument['Statement'][number][]
}

/** One line of the demo: what was tried and what came of it. A step that does not hold throws. */
export interface Step {
  readonly name: string
  readonly run: (stage: Stage) => Promise<string>
}

export const NAMESPACE = 'shop'
export const SERVICE_ACCOUNT = 'orders'
export const OTHER_SERVICE_ACCOUNT = 'intruder'
export const ROLE_NAME = 'orders-reader'
export const BUCKET = 'shop-orders'
export const ALLOWED_KEY = 'orders/today.txt'
export const FORBIDDEN_KEY = 'payroll/salaries.txt'
export const CONTENT = 'three boxes of tea'
export const ISSUER_BUCKET = 'edge-issuer'
export const REGION = 'us-east-1'
