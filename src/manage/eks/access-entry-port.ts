import type { Tags } from '../../iam/tags.ts'
import { mapLimited } from '../../lib/map-limited.ts'
import { AT_ONCE, type AssociationPort, orGone } from './association-port.ts'

/** Where an access policy holds. */
export type AccessScope =
  | { readonly type: 'cluster' }
  /** A name may hold `*`. */
  | { readonly type: 'namespace'; readonly namespaces: readonly string[] }

/** An access policy that an entry has. */
export interface AccessPolicy {
  readonly policyArn: string
  readonly accessScope: AccessScope
}

/** EKS's AccessEntry; times are milliseconds since the epoch. */
export interface AccessEntry {
  readonly principalArn: string
  readonly accessEntryArn: string
  /** `STANDARD`, `EC2_LINUX`, … */
  readonly type: string
  readonly username: string
  readonly kubernetesGroups: readonly string[]
  readonly tags: Tags
  readonly createdAtMs: number
  readonly modifiedAtMs: number
}

/** An entry with its policies, which are a call of their own. */
export interface ObservedEntry extends AccessEntry {
  readonly accessPolicies: readonly AccessPolicy[]
}

/** An entry to be made; what is undefined is left to EKS. */
export interface NewAccessEntry {
  readonly principalArn: string
  readonly type?: string
  readonly username?: string
  readonly kubernetesGroups?: readonly string[]
  readonly tags?: Tags
}

/**
 * The access entries of an EKS cluster. Faults are ServiceFault with AWS's codes:
 * `ResourceNotFound`, `ResourceInUse`, `InvalidParameter`, `InvalidRequest` (the cluster's
 * authentication mode knows no entries), `ResourceLimitExceeded`, `AccessDenied`.
 */
export interface AccessEntryPort {
  readonly place: string
  /** ARNs of principals, all pages. */
  list(): Promise<readonly string[]>
  /** Without its policies. */
  describe(principalArn: string): Promise<AccessEntry>
  /** Of one entry, all pages. */
  policiesOf(principalArn: string): Promise<readonly AccessPolicy[]>
  create(entry: NewAccessEntry): Promise<AccessEntry>
  update(
    principalArn: string,
    change: { readonly username?: string; readonly kubernetesGroups?: readonly string[] },
  ): Promise<AccessEntry>
  delete(principalArn: string): Promise<void>
  /** Also puts another scope in the place of the one that the entry has for the policy. */
  associate(principalArn: string, policy: AccessPolicy): Promise<void>
  disassociate(principalArn: string, policyArn: string): Promise<void>
  /** ARNs of the policies that EKS has. */
  knownPolicies(): Promise<readonly string[]>
  readonly tagging: NonNullable<AssociationPort['tagging']>
}

/** An entry with its policies; undefined where the principal has none. */
export async function findAccessEntry(
  port: AccessEntryPort,
  principalArn: string,
): Promise<ObservedEntry | undefined> {
  return orGone(async () => {
    const [entry, accessPolicies] = await Promise.all([
      port.describe(principalArn),
      port.policiesOf(principalArn),
    ])
    return { ...entry, accessPolicies }
  })
}

/** All entries, two calls for each, some at a time; who is deleted meanwhile is left out. */
export async function describeAccessEntries(
  port: AccessEntryPort,
): Promise<readonly ObservedEntry[]> {
  const found = await mapLimited(await port.list(), AT_ONCE, (arn) => findAccessEntry(port, arn))
  return found.filter((one) => one !== undefined)
}
