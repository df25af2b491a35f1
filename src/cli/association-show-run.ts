/** `podrole association list|describe`, and how the others tell what came of them. */
import type { Association } from '../associations/association.ts'
import { tryParseArn } from '../iam/arn.ts'
import { parseServiceAccountName } from '../iam/service-account-name.ts'
import { isOwned } from '../iam/tags.ts'
import { PodroleError } from '../lib/errors.ts'
import { describeAssociations, findAssociation } from '../manage/eks/association-port.ts'
import type {
  AssociationListFlags,
  AssociationPlaceFlags,
  SubjectFlags,
} from './commands/association.ts'
import type { OutputFormat } from './options.ts'
import { printData, printNote } from './output.ts'
import { openAssociations, readSubject } from './parts/association-cluster.ts'

export async function runList(flags: AssociationListFlags): Promise<void> {
  const filter = filterOf(flags)
  const found = await describeAssociations(await openAssociations(flags), filter)
  const sorted = found.toSorted((one, other) => (labelOf(one) < labelOf(other) ? -1 : 1))
  printData(flags.output, sorted.map(shownOf), {
    columns: ['service account', 'role arn', 'target role arn', 'owner', 'association id'],
    rows: sorted.map((one) => [
      labelOf(one),
      one.roleArn,
      one.targetRoleArn ?? '-',
      ownerOf(one),
      one.associationId,
    ]),
  })
}

function filterOf({ namespace, serviceAccount }: AssociationListFlags): {
  readonly namespace?: string
  readonly serviceAccount?: string
} {
  if (serviceAccount === undefined) return namespace === undefined ? {} : { namespace }
  const wanted = parseServiceAccountName(serviceAccount)
  if (namespace !== undefined && namespace !== wanted.namespace) {
    throw new PodroleError(
      'InvalidFilter',
      `--namespace ${namespace} and --service-account ${serviceAccount} name two namespaces`,
    )
  }
  return { namespace: wanted.namespace, serviceAccount: wanted.name }
}

export async function runDescribe(
  subject: string | undefined,
  flags: AssociationPlaceFlags & SubjectFlags,
): Promise<void> {
  const serviceAccount = readSubject(subject, flags.serviceAccount)
  const port = await openAssociations(flags)
  const found = await findAssociation(port, serviceAccount)
  if (found === undefined) {
    throw new PodroleError(
      'NoAssociation',
      `service account ${serviceAccount.namespace}/${serviceAccount.name} has no association in cluster ${flags.cluster} (${port.place})`,
    )
  }
  const shown = shownOf(found)
  const rows = Object.entries(shown).map(([field, value]) => [
    field,
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
  printData(flags.output, shown, { columns: ['field', 'value'], rows })
}

const labelOf = ({ namespace, serviceAccount }: Association): string =>
  `${namespace}/${serviceAccount}`

/** Who may change it: podrole, an add-on, or somebody else. */
function ownerOf({ ownerArn, tags }: Association): string {
  if (ownerArn === undefined) return isOwned(tags) ? 'podrole' : '-'
  const [kind, , name] = (tryParseArn(ownerArn)?.resource ?? ownerArn).split('/')
  return name === undefined ? ownerArn : `${kind} ${name}`
}

/** With EKS's own names, all that there is; times in ISO 8601. */
export function shownOf(association: Association): Readonly<Record<string, unknown>> {
  const { createdAtMs, modifiedAtMs, ...rest } = association
  return {
    ...rest,
    createdAt: new Date(createdAtMs).toISOString(),
    modifiedAt: new Date(modifiedAtMs).toISOString(),
  }
}

/** Notes to standard error; the association's ARN, or all of it, to standard output. */
export function printChanged(
  output: OutputFormat,
  changed: {
    readonly association: Association
    readonly done: readonly string[]
    readonly notes: readonly string[]
  },
): void {
  const { association, done, notes } = changed
  for (const line of done) printNote(line)
  if (done.length === 0) {
    printNote(
      `association ${association.associationId} of ${labelOf(association)} is there as asked for: nothing was done`,
    )
  }
  for (const line of notes) printNote(line)
  if (output === 'table') process.stdout.write(`${association.associationArn}\n`)
  else {
    const value = { association: shownOf(association), done, notes }
    printData(output, value, { columns: [], rows: [] })
  }
}
