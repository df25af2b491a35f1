/** The role of an association: one that is there, or one that podrole makes for it. */
import type { Association } from '../../associations/association.ts'
import { tryParseArn } from '../../iam/arn.ts'
import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import { isOwned, type Tags } from '../../iam/tags.ts'
import { removeTrust } from '../../iam/trust-edit.ts'
import type { TrustGrant } from '../../iam/trust-grant.ts'
import { judgeTrust } from '../../iam/trust-judge.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { askUntil, type Patience } from '../../lib/waiting.ts'
import type { ObservedRole, RolePort } from '../roles/role-port.ts'

/** Says for which service account `podrole association create` made a role: its `ownerHash`. */
export const ASSOCIATION_TAG = 'podrole.dev/association'

export const associationTag = (hash: string): Tags => ({ [ASSOCIATION_TAG]: hash })

/** A role made just now may not be shown yet; one that was not is waited for too. */
const ROLE_PATIENCE: Patience = { totalMs: 3000, firstDelayMs: 200, maxDelayMs: 1000 }

/** What is known of a role that an association is to have. */
export interface CheckedRole {
  /** Undefined where IAM was not asked or did not say. */
  readonly role?: ObservedRole
  /** What could not be found out, or hangs on what only AWS knows; one sentence each. */
  readonly notes: readonly string[]
}

/**
 * Reads a role and judges its trust policy, as far as the credentials reach: a role of another
 * account is not read.
 * @throws PodroleError `NoSuchRole`, `RoleDoesNotTrust`
 */
export async function checkRole(
  port: RolePort | undefined,
  asked: {
    readonly roleArn: string
    readonly grant: TrustGrant
    /** What to do where it does not trust; one sentence. */
    readonly hint: string
    readonly patience?: Patience
  },
): Promise<CheckedRole> {
  const { grant, hint, patience = ROLE_PATIENCE, roleArn } = asked
  const { accountId, name, partition } = partsOf(roleArn)
  if (port === undefined) {
    return {
      notes: [`whether ${roleArn} trusts it was not looked at: there are no AWS credentials`],
    }
  }
  if (accountId !== port.accountId || partition !== port.partition) {
    const notes = [`whether ${roleArn} trusts it was not looked at: it is in another account`]
    return { notes }
  }
  let role: ObservedRole | undefined
  try {
    role = await askUntil(
      () => port.get(name),
      (found) => found !== undefined,
      patience,
    )
  } catch (error) {
    if (codeOf(error) !== 'AccessDenied') throw error
    return { notes: [`whether ${roleArn} trusts it was not looked at: ${messageOf(error)}`] }
  }
  if (role?.arn !== roleArn) throw noSuchRole(roleArn, role)
  return { role, notes: judge(role, grant, hint) }
}

function judge(role: ObservedRole, grant: TrustGrant, hint: string): readonly string[] {
  const verdict = judgeTrust(role.trustPolicy, grant)
  const [serviceAccount = { namespace: '', name: '' }] = grant.serviceAccounts
  const who = `service account ${formatServiceAccountName(serviceAccount)}`
  switch (verdict.admits) {
    case 'yes':
      return []
    case 'maybe':
      return [
        `whether role ${role.name} admits ${who} hangs on ${verdict.keys.join(', ')}, which only AWS knows`,
      ]
    case 'no':
      throw new PodroleError(
        'RoleDoesNotTrust',
        `role ${role.arn} would not admit ${who}: ${verdict.why}`,
        { hint },
      )
    default:
      return verdict satisfies never
  }
}

function noSuchRole(roleArn: string, found: ObservedRole | undefined): PodroleError {
  return new PodroleError(
    'NoSuchRole',
    `there is no role ${roleArn}`,
    found === undefined
      ? {}
      : { hint: `There is one of that name with another path: ${found.arn}` },
  )
}

/** The name of a role without its path, and where it is. */
export function partsOf(roleArn: string): {
  readonly accountId: string
  readonly partition: string
  readonly name: string
} {
  const { accountId = '', partition = '', resource = '' } = tryParseArn(roleArn) ?? {}
  return { accountId, partition, name: resource.split('/').at(-1) ?? '' }
}

/**
 * Why a role stays when its association goes; undefined where podrole made it for nobody else. A
 * role that also trusts others by its policy, or that another association of the cluster has, stays.
 */
export function whyKeepRole(
  role: ObservedRole,
  owner: {
    readonly hash: string
    /** What podrole wrote for the association. */
    readonly grant: TrustGrant
    /** Those of the cluster, without the one that goes. */
    readonly others: readonly Association[]
  },
): string | undefined {
  if (!isOwned(role.tags)) return 'podrole did not make it'
  if (role.tags[ASSOCIATION_TAG] !== owner.hash) {
    return 'podrole did not make it for this service account'
  }
  const users = owner.others.filter(({ roleArn }) => roleArn === role.arn)
  if (users.length > 0) {
    const names = users
      .slice(0, 5)
      .map((one) =>
        formatServiceAccountName({ namespace: one.namespace, name: one.serviceAccount }),
      )
    return `${users.length} other association(s) have it: ${names.join(', ')}`
  }
  return trustsOthers(role.trustPolicy, owner.grant)
    ? 'its trust policy admits others too'
    : undefined
}

function trustsOthers(trustPolicy: string, grant: TrustGrant): boolean {
  // Which other clusters have the role cannot be told from an account's name.
  if (grant.way === 'pod-identity' && grant.disableSessionTags === true) return true
  try {
    removeTrust(trustPolicy, grant)
    return true
  } catch (error) {
    // Nothing would be left of it.
    if (codeOf(error) === 'LastTrustStatement') return false
    throw error
  }
}
