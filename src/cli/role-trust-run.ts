/** `podrole role trust show|add|remove`. */
import { openAccount, type AwsAccount } from '../aws/account.ts'
import type { QuotaReading } from '../aws/iam-quotas.ts'
import { tryParseArn } from '../iam/arn.ts'
import { parseJsonDocument } from '../iam/json-document.ts'
import { formatJsonDocument } from '../iam/json-text.ts'
import { findTrustFaults, type TrustFinding } from '../iam/trust-findings.ts'
import { systemClock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import { diffLines, formatDiff } from '../lib/line-diff.ts'
import { keepPriorTrust, stateFolder } from '../manage/roles/prior-trust.ts'
import { iamRoles } from '../manage/roles/role-iam.ts'
import { changeTrust, type TrustChange } from '../manage/roles/trust-change.ts'
import { grantOf, readServiceAccounts, readTarget } from '../manage/roles/trust-target.ts'
import type { TrustChangeFlags, TrustShowFlags } from './commands/role.ts'
import { formatTable, printData } from './output.ts'
import { resolveTarget } from './parts/trust-target.ts'
import { accessOf, describeRoom, readText } from './role-run.ts'

interface ShownTrust {
  /** Undefined for a file. */
  readonly role?: string
  readonly policy: string
  readonly characters: number
  readonly quota?: QuotaReading
  readonly findings: readonly TrustFinding[]
}

export async function showTrust(role: string | undefined, flags: TrustShowFlags): Promise<number> {
  if ((role === undefined) === (flags.file === undefined)) {
    throw new PodroleError('InvalidTarget', 'wanted the name of a role, or --file, and not both')
  }
  const shown =
    flags.file === undefined
      ? await readRoleTrust(role ?? '', flags)
      : shownOf(await readText(flags.file), {})
  if (flags.output === 'table') process.stdout.write(describeTrust(shown))
  else printData(flags.output, shown, { columns: [], rows: [] })
  const bad = shown.findings.some(
    ({ level }) => level === flags.failOn || (flags.failOn === 'warning' && level === 'error'),
  )
  return bad ? 1 : 0
}

async function readRoleTrust(role: string, flags: TrustShowFlags): Promise<ShownTrust> {
  const account = await openAccount(accessOf(flags))
  const name = roleName(role, account)
  const port = await iamRoles(account, { environment: process.env, clock: systemClock })
  const [text, quota] = await Promise.all([port.trustPolicyOf(name), port.trustQuota()])
  return { role: name, quota, ...shownOf(text, { role: account }) }
}

function shownOf(
  policy: string,
  about: { readonly role?: { readonly partition: string; readonly accountId: string } },
): ShownTrust {
  return { policy, characters: policy.length, findings: findTrustFaults(policy, about) }
}

function describeTrust({ characters, findings, policy, quota }: ShownTrust): string {
  const size = quota === undefined ? '' : `${characters} of ${quota.text} characters\n`
  const rows = findings.map(({ code, level, statement = '-', text }) => [
    level,
    code,
    statement,
    text,
  ])
  const found =
    rows.length === 0
      ? 'no findings\n'
      : formatTable(['level', 'finding', 'statement', 'what'], rows) +
        [...new Set(findings.map(({ hint }) => hint))].map((hint) => `→ ${hint}\n`).join('')
  return `${pretty(policy)}\n\n${size}${found}`
}

const pretty = (policy: string): string => formatJsonDocument(parseJsonDocument(policy), 2)

/** @throws PodroleError `WrongAccount`: the ARN of a role elsewhere */
export function roleName(
  role: string,
  account: Pick<AwsAccount, 'accountId' | 'partition'>,
): string {
  const arn = tryParseArn(role)
  if (arn === undefined) return role
  const [, name] = /^role\/(?:.*\/)?([^/]+)$/.exec(arn.resource) ?? []
  const isHere = arn.accountId === account.accountId && arn.partition === account.partition
  if (name !== undefined && isHere) return name
  throw new PodroleError(
    'WrongAccount',
    `${role} is no role of account ${account.accountId} in partition ${account.partition}, whose credentials these are`,
    { hint: 'Choose the account with --profile.' },
  )
}

export async function changeRoleTrust(
  change: 'add' | 'remove',
  role: string,
  flags: TrustChangeFlags,
): Promise<void> {
  const serviceAccounts = readServiceAccounts(flags.serviceAccount, flags.match)
  const target = readTarget(flags)
  const account = await openAccount(accessOf(flags))
  const name = roleName(role, account)
  const resolved = await resolveTarget(target, account, flags)
  const port = await iamRoles(account, { environment: process.env, clock: systemClock })
  const changed = await changeTrust(port, name, {
    change,
    grant: grantOf(resolved, account, serviceAccounts),
    dryRun: flags.dryRun,
    keep: keepPriorTrust(stateFolder(process.env), systemClock),
  })
  if (flags.output === 'table') process.stdout.write(describeChange(changed, flags.dryRun))
  else printData(flags.output, changed, { columns: [], rows: [] })
}

function describeChange(changed: TrustChange, isDryRun: boolean): string {
  const { after, before, priorFile, remarks, role } = changed
  const lines = remarks.map(({ text }) => `${text}\n`)
  if (after === before) return [...lines, `role ${role}: nothing to do\n`].join('')
  const size = `${describeRoom(changed)}\n`
  const done =
    priorFile === undefined
      ? `role ${role}: ${isDryRun ? 'nothing was written (--dry-run)' : 'nothing was written'}\n`
      : `role ${role}: trust policy written\n${putBack(role, priorFile)}`
  return [formatDiff(diffLines(pretty(before), pretty(after))), ...lines, size, done].join('')
}

const putBack = (role: string, file: string): string =>
  `as it was: ${file}\nput back with: aws iam update-assume-role-policy --role-name ${role} --policy-document file://${file}\n`
