/** `podrole role trust compact`. */
import { openAccount } from '../aws/account.ts'
import { parseJsonDocument } from '../iam/json-document.ts'
import { formatJsonDocument } from '../iam/json-text.ts'
import { systemClock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import { diffLines, formatDiff } from '../lib/line-diff.ts'
import { keepPriorTrust, stateFolder } from '../manage/roles/prior-trust.ts'
import { iamRoles } from '../manage/roles/role-iam.ts'
import {
  compactionOf,
  planCompaction,
  type ProvenCompaction,
  writeCompaction,
} from '../manage/roles/trust-compaction.ts'
import type { TrustCompactFlags } from './commands/role-trust-compact.ts'
import { askToConfirm } from './confirm.ts'
import { printData, printNote } from './output.ts'
import { accessOf, readText } from './role-run.ts'
import { roleName } from './role-trust-run.ts'

/** Shown with what it is measured against. */
interface Shown extends ProvenCompaction {
  readonly limit: { readonly characters: number; readonly text: string }
}

export async function compactRoleTrust(
  role: string | undefined,
  flags: TrustCompactFlags,
): Promise<void> {
  if ((role === undefined) === (flags.file === undefined)) {
    throw new PodroleError('InvalidTarget', 'wanted the name of a role, or --file, and not both')
  }
  if (flags.file === undefined) return compactRole(role ?? '', flags)
  if (flags.apply) throw new PodroleError('InvalidTarget', '--apply goes with a role, not --file')
  const characters = flags.limit ?? DOCUMENTED_MAXIMUM
  const { editable } = flags
  const plan = planCompaction('ROLE', await readText(flags.file), { editable, quota: characters })
  const text = `${characters} (${flags.limit === undefined ? "the most that AWS's documentation of 2026-10 lets it be raised to" : '--limit'})`
  show({ ...plan, limit: { characters, text } }, flags)
}

/** Of a file nobody knows the account: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
const DOCUMENTED_MAXIMUM = 8192

async function compactRole(role: string, flags: TrustCompactFlags): Promise<void> {
  const account = await openAccount(accessOf(flags))
  const name = roleName(role, account)
  const port = await iamRoles(account, { environment: process.env, clock: systemClock })
  const { editable, limit } = flags
  const found = await compactionOf(port, name, { editable, ...(limit !== undefined && { limit }) })
  const characters = limit ?? found.quota.value
  const text = limit === undefined ? found.quota.text : `${limit} (--limit)`
  const shown: Shown = { ...found, limit: { characters, text } }
  const isNothing = found.after === found.before && found.roles.length === 1
  if (!flags.apply || isNothing) return show(shown, flags)
  show(shown, flags)
  const question = `Write the trust policy of role ${name}?`
  const isTold = found.roles.length > 1 || flags.yes
  const hint = 'Look at the change and write it with --yes.'
  if (!isTold && (await askToConfirm(question, hint)) !== 'yes') return
  const keep = keepPriorTrust(stateFolder(process.env), systemClock)
  const file = await writeCompaction(port, found, { keep })
  printNote(`role ${name}: trust policy written`)
  printNote(`as it was: ${file}`)
  printNote(
    `put back with: aws iam update-assume-role-policy --role-name ${name} --policy-document file://${file}`,
  )
}

type ShowFlags = Pick<TrustCompactFlags, 'output' | 'apply' | 'file'>

function show(shown: Shown, flags: ShowFlags): void {
  if (flags.output === 'table') process.stdout.write(describe(shown, flags))
  else printData(flags.output, shown, { columns: [], rows: [] })
}

const pretty = (policy: string): string => formatJsonDocument(parseJsonDocument(policy), 2)

function describe(shown: Shown, { apply, file }: ShowFlags): string {
  const { after, before, limit, proof, roles } = shown
  const left = roles.length === 1 ? ` (${limit.characters - after.length} left)` : ''
  const size = `${before.length} characters before, ${after.length} after, quota ${limit.text}${left}\n`
  const proven = `proved by the evaluator on ${proof.asked} requests, of which both admit ${proof.admitted}\n`
  if (after === before && roles.length === 1) {
    return `${remarks(shown)}${size}nothing to do: no smaller policy was found that admits the same\n`
  }
  const change =
    roles.length === 1
      ? formatDiff(diffLines(pretty(before), pretty(after)))
      : roles
          .map(
            ({ name, trustPolicy }) =>
              `role ${name}, ${trustPolicy.length} characters:\n${pretty(trustPolicy)}\n`,
          )
          .join('')
  const end = apply || file !== undefined ? '' : 'nothing was written (--apply writes it)\n'
  return `${change}${remarks(shown)}${size}${proven}${end}`
}

function remarks({ disowned, joined, kept }: Shown): string {
  const lines = [
    ...joined.map(({ from, into }) =>
      into === 0
        ? `statement ${from.join(', ')}: another one admits all of it`
        : `statements ${from.join(', ')}: ${into} in their place`,
    ),
    ...kept.map(
      ({ statement, why }) => `statement ${statement} is kept to the last character: ${why}`,
    ),
    ...(disowned.length === 0
      ? []
      : [
          `statements ${disowned.join(', ')} are podrole's own and will not be: 'role trust remove' and plans change them no more (--editable keeps them apart)`,
        ]),
  ]
  return lines.map((line) => `${line}\n`).join('')
}
