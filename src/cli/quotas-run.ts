/** `podrole quotas`. */
import { openAccount } from '../aws/account.ts'
import { eksQuotaReader, iamQuotaReader } from '../doctor/quotas/aws-readers.ts'
import { gatherQuotas } from '../doctor/quotas/gather.ts'
import { type QuotaLine, quotaReport } from '../doctor/quotas/report.ts'
import { systemClock } from '../lib/clock.ts'
import type { QuotasFlags } from './commands/quotas.ts'
import { printData, printNote } from './output.ts'
import { accessOf } from './role-run.ts'

export async function showQuotas(flags: QuotasFlags): Promise<number> {
  const account = await openAccount(accessOf(flags))
  const around = { environment: process.env, clock: systemClock }
  const [iam, eks] = await Promise.all([
    iamQuotaReader(account, around),
    eksQuotaReader(account, around),
  ])
  const { accountId, region } = account
  const facts = await gatherQuotas({ accountId, region, iam, eks }, flags.cluster)
  const report = quotaReport(facts)
  const shown = shownLines(report.lines, flags.roles)
  printData(flags.output, report, {
    columns: ['quota', 'of', 'used', 'limit', 'left', '', 'from', 'room for'],
    rows: shown.map(({ forecast, left, level, limit, quota, scope, source, used }) => [
      quota,
      scope,
      String(used),
      String(limit),
      String(left),
      level,
      source,
      forecast,
    ]),
  })
  const hidden = report.lines.length - shown.length
  if (hidden > 0 && flags.output === 'table') {
    printNote(`${hidden} more line(s) of roles; --roles shows more, -o json all`)
  }
  for (const { what, why } of report.unread) printNote(`${what} could not be read: ${why}`)
  // What was asked for and is not there is not "enough room".
  const isBlind = report.unread.some(({ what }) => what !== 'GetAccountSummary')
  return isBlind || isBad(report.lines, flags.failOn) ? 1 : 0
}

/** All of account and clusters, and of roles the fullest. */
function shownLines(lines: readonly QuotaLine[], roles: number): readonly QuotaLine[] {
  const isRole = ({ scope }: QuotaLine): boolean => scope.startsWith('role ')
  const fullest = lines
    .filter(isRole)
    .toSorted((one, other) => other.used / other.limit - one.used / one.limit)
    .slice(0, roles)
  return [...lines.filter((line) => !isRole(line)), ...fullest]
}

const isBad = (lines: readonly QuotaLine[], failOn: QuotasFlags['failOn']): boolean =>
  lines.some(({ level }) => level === failOn || (failOn === 'warning' && level === 'error'))
