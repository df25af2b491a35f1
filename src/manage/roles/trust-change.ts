import { oidcProviderArn } from '../../iam/arn.ts'
import { STS_AUDIENCE } from '../../iam/trust-document.ts'
import { addTrust, removeTrust, type TrustEdit } from '../../iam/trust-edit.ts'
import { grantedStatements, type TrustGrant } from '../../iam/trust-grant.ts'
import { trustRoom, type TrustRoom } from '../../iam/trust-size.ts'
import type { QuotaReading } from '../../aws/iam-quotas.ts'
import { PodroleError } from '../../lib/errors.ts'
import { askUntil, IAM_PATIENCE, type Patience } from '../../lib/waiting.ts'
import type { KeepPriorTrust } from './prior-trust.ts'
import type { RolePort } from './role-port.ts'

export interface TrustChange extends TrustEdit {
  readonly role: string
  readonly room: TrustRoom
  readonly quota: QuotaReading
  /** Where the policy as it was is kept; undefined where nothing was written. */
  readonly priorFile?: string
}

export interface TrustChangeOptions {
  readonly change: 'add' | 'remove'
  readonly grant: TrustGrant
  /** Reads and computes, and writes nothing. */
  readonly dryRun: boolean
  readonly keep: KeepPriorTrust
  readonly patience?: Patience
}

/**
 * Adds service accounts to a role's trust policy, or removes them. The policy is read again right
 * before it is written: IAM has no conditional write, so that is as near as one comes.
 * @throws PodroleError `NoProvider`, `ProviderWithoutAudience`, `TrustPolicyTooLong`,
 * `TrustPolicyChanged`, `LastTrustStatement`; ServiceFault
 */
export async function changeTrust(
  port: RolePort,
  role: string,
  options: TrustChangeOptions,
): Promise<TrustChange> {
  const { change, dryRun, grant, keep, patience } = options
  const [text, quota] = await Promise.all([port.trustPolicyOf(role), port.trustQuota()])
  const edit = change === 'add' ? addTrust(text, grant) : removeTrust(text, grant)
  if (change === 'add') await requireProvider(port, grant, patience)
  const room = checkTrustSize({ role, ...edit, grant, quota })
  const outcome = { ...edit, role, room, quota }
  if (dryRun || edit.after === edit.before) return outcome
  const now = await port.trustPolicyOf(role)
  if (now !== text) {
    throw new PodroleError(
      'TrustPolicyChanged',
      `the trust policy of role ${role} was changed by somebody else meanwhile; nothing was written`,
      { hint: 'Run the command again: it begins with the policy as it is now.' },
    )
  }
  const priorFile = keep({ accountId: port.accountId, name: role }, text)
  await writeTrust(port, role, { ...edit, ...(patience !== undefined && { patience }) })
  return { ...outcome, priorFile }
}

/**
 * Writes a trust policy and waits until IAM no longer shows the one from before: the next edit
 * would begin with that, and undo this one.
 */
export async function writeTrust(
  port: RolePort,
  role: string,
  edit: { readonly before: string; readonly after: string; readonly patience?: Patience },
): Promise<void> {
  await port.putTrustPolicy(role, edit.after)
  await askUntil(
    () => port.trustPolicyOf(role),
    (text) => text !== edit.before,
    edit.patience ?? IAM_PATIENCE,
  )
}

/** A provider that was made just now may not be shown yet; one that was not is waited for too. */
const PROVIDER_PATIENCE: Patience = { totalMs: 3000, firstDelayMs: 200, maxDelayMs: 1000 }

/**
 * The account must have the OIDC provider of the issuer, with the audience that tokens have: STS
 * refuses every token else, whatever the trust policy says.
 * @throws PodroleError `NoProvider`, `ProviderWithoutAudience`
 */
export async function requireProvider(
  port: RolePort,
  grant: TrustGrant,
  patience: Patience = PROVIDER_PATIENCE,
): Promise<void> {
  if (grant.way === 'pod-identity') return
  const { audience = STS_AUDIENCE, issuer } = grant
  const arn = oidcProviderArn(grant)
  const clientIds = await askUntil(
    () => port.clientIdsOf(arn),
    (ids) => ids?.includes(audience) === true,
    patience,
  )
  const create = `podrole issuer provider create --issuer ${issuer}`
  if (clientIds === undefined) {
    throw new PodroleError(
      'NoProvider',
      `account ${port.accountId} has no IAM OIDC provider for issuer ${issuer}`,
      { hint: `Make it first: ${create}` },
    )
  }
  if (clientIds.includes(audience)) return
  throw new PodroleError(
    'ProviderWithoutAudience',
    `${arn} does not have client id ${audience}: STS refuses tokens for it`,
    { hint: `Add it: ${create} --client-id ${audience}` },
  )
}

/**
 * How much of the quota a trust policy takes. Only a quota that was read from the account refuses:
 * it may be higher than what is documented.
 * @throws PodroleError `TrustPolicyTooLong`, with numbers
 */
export function checkTrustSize(asked: {
  readonly role: string
  readonly before: string
  readonly after: string
  readonly grant: TrustGrant
  readonly quota: QuotaReading
}): TrustRoom {
  const { after, before, grant, quota, role } = asked
  const [{ entries }] = grantedStatements(grant)
  const limits = {
    quota: quota.value,
    valueCharacters: Math.max(...entries.map(({ value }) => value.length)),
  }
  const room = trustRoom(after, limits)
  if (room.left >= 0 || !quota.isLive || after.length <= before.length) return room
  const fit = countFitting(before, grant, quota.value)
  throw new PodroleError(
    'TrustPolicyTooLong',
    `the trust policy of role ${role} would have ${room.characters} characters, the account's quota is ${quota.text}: ${fit} of the ${grant.serviceAccounts.length} service account(s) fit`,
    {
      hint: 'Use one pattern for several (--match like), use a second role, or ask for a higher quota: AWS grants up to 8,192 at once.',
    },
  )
}

/** How many of the grant's service accounts fit, from the first on. */
function countFitting(before: string, grant: TrustGrant, quota: number): number {
  const { serviceAccounts } = grant
  const over = serviceAccounts.findIndex((_, at) => {
    const some = { ...grant, serviceAccounts: serviceAccounts.slice(0, at + 1) }
    return addTrust(before, some).after.length > quota
  })
  return over === -1 ? serviceAccounts.length : over
}
