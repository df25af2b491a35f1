/** YAML texts → desired state; every fault of every document is told at once. */
import { partitionOfRegion } from '../../iam/partitions.ts'
import { messageOf } from '../../lib/errors.ts'
import { checkAccess } from './checks/access.ts'
import { checkAddons } from './checks/addons.ts'
import { checkAssociations, checkUniqueAssociations } from './checks/associations.ts'
import {
  type CheckContext,
  type Fields,
  fieldsOf,
  itemsOf,
  textOf,
  textsByKey,
} from './checks/check.ts'
import { checkCluster } from './checks/cluster.ts'
import { checkTags } from './checks/roles.ts'
import { checkRoleNames } from './checks/role-names.ts'
import { checkServiceAccounts } from './checks/service-accounts.ts'
import { classifyDocument } from './classify.ts'
import type { DesiredCluster, DesiredState, FragmentTarget, LeftAlone } from './desired-state.ts'
import { parseDocuments, type SourceDocument, type SourceText } from './documents.ts'
import {
  type DesiredFault,
  faultsOfIssues,
  type FaultPath,
  formatPath,
  throwFaults,
} from './faults.ts'
import { clusterOf } from './normalise.ts'
import { DOCUMENT_SCHEMAS, type DocumentKind } from './schema.ts'
import { fieldNamesAt, leftAlonePaths } from './schema-fields.ts'

/**
 * Reads eksctl's and Rafay's ClusterConfig, Control Plane's mk8s, podrole's own Cluster and
 * fragments of them.
 * @throws PodroleError `InvalidDesiredState`, with every fault, its path and what was wanted
 */
export function readDesired(
  sources: readonly SourceText[],
  target: FragmentTarget = {},
): DesiredState {
  const { faults, state } = examineDesired(sources, target)
  throwFaults(faults)
  return state
}

/** The same with the faults as values; where there are any, the state is what is left. */
export function examineDesired(
  sources: readonly SourceText[],
  target: FragmentTarget = {},
): { readonly faults: readonly DesiredFault[]; readonly state: DesiredState } {
  const parsed = parseDocuments(sources)
  const faults = [...parsed.faults]
  const clusters: DesiredCluster[] = []
  const leftAlone: LeftAlone[] = []
  for (const document of parsed.documents) {
    const examined = examineDocument(document, target)
    faults.push(...examined.faults)
    if (examined.cluster !== undefined) clusters.push(examined.cluster)
    if (examined.leftAlone !== undefined) {
      leftAlone.push({ source: document.source, paths: examined.leftAlone })
    }
  }
  if (parsed.documents.length === 0 && faults.length === 0) {
    const names = sources.map(({ name }) => name).join(', ')
    faults.push({ source: names, path: '', message: 'it holds no document' })
  }
  return { faults: [...faults, ...twiceDescribed(clusters)], state: { clusters, leftAlone } }
}

interface Examined {
  readonly faults: readonly DesiredFault[]
  readonly cluster?: DesiredCluster
  readonly leftAlone?: readonly string[]
}

function examineDocument({ source, value }: SourceDocument, target: FragmentTarget): Examined {
  const classified = classifyDocument(value)
  if (classified.kind === 'others') return { faults: [], leftAlone: [] }
  if (classified.kind === 'fault') {
    const { message, path } = classified
    return { faults: [{ source, path: formatPath(path), message }] }
  }
  const { kind } = classified
  const schema = DOCUMENT_SCHEMAS[kind]
  const read = schema.safeParse(value)
  const shape = read.success
    ? []
    : faultsOfIssues(read.error.issues, value, (path) => fieldNamesAt(schema, path))
  const found = [...shape, ...checksOf(kind, fieldsOf(value), target)]
  const faults = found.map((fault) => ({ source, ...fault }))
  const paths = leftAlonePaths(schema, value)
  return {
    faults,
    ...(paths.length > 0 && { leftAlone: paths }),
    ...(read.success &&
      faults.length === 0 && { cluster: clusterOf(kind, source, { value: read.data, target }) }),
  }
}

/** What the shape does not say, over what has the right type. */
function checksOf(
  kind: DocumentKind,
  document: Fields,
  target: FragmentTarget,
): readonly Omit<DesiredFault, 'source'>[] {
  const faults: Omit<DesiredFault, 'source'>[] = []
  const complain = (path: FaultPath, message: string | undefined): void => {
    if (message !== undefined) faults.push({ path: formatPath(path), message })
  }
  const metadata = fieldsOf(document['metadata'])
  const region = kind === 'fragment' ? target.region : textOf(metadata['region'])
  const accountId = textOf(metadata['accountID'])
  const context: CheckContext = {
    partition: partitionOf(region, (message) => complain(regionPath(kind), message)),
    accountId: accountId !== undefined && /^\d{12}$/.test(accountId) ? accountId : undefined,
    tags: textsByKey(metadata['tags']),
    complain,
  }
  checkCluster(kind, document, target, context)
  checkTags(metadata['tags'], ['metadata', 'tags'], { ...context, tags: {} })
  checkBlocks(document, context)
  return faults
}

const regionPath = (kind: DocumentKind): FaultPath =>
  kind === 'fragment' ? ['--region'] : ['metadata', 'region']

function partitionOf(
  region: string | undefined,
  complain: (message: string) => void,
): string | undefined {
  if (region === undefined) return undefined
  try {
    return partitionOfRegion(region).id
  } catch (error) {
    complain(messageOf(error))
    return undefined
  }
}

function checkBlocks(document: Fields, context: CheckContext): void {
  const iam = fieldsOf(document['iam'])
  const associations = itemsOf(iam['podIdentityAssociations'])
  const serviceAccounts = itemsOf(iam['serviceAccounts'])
  const addons = itemsOf(document['addons'])
  if (serviceAccounts.length > 0 && iam['withOIDC'] !== true) {
    context.complain(
      ['iam', 'withOIDC'],
      'it must be enabled explicitly for iam.serviceAccounts to be created',
    )
  }
  checkServiceAccounts(serviceAccounts, ['iam', 'serviceAccounts'], context)
  checkAssociations(associations, ['iam', 'podIdentityAssociations'], context)
  checkAddons(addons, context)
  checkAccess(fieldsOf(document['accessConfig']), context)
  const places = [
    ...associations.map((item, at) => ({ item, path: ['iam', 'podIdentityAssociations', at] })),
    ...addons.flatMap((addon, at) =>
      itemsOf(fieldsOf(addon)['podIdentityAssociations']).map((item, index) => ({
        item,
        path: ['addons', at, 'podIdentityAssociations', index],
      })),
    ),
  ].map(({ item, path }) => ({ item: fieldsOf(item), path, text: formatPath(path) }))
  checkUniqueAssociations(places, context)
  const making = serviceAccounts.map((item, at) => ({
    item: fieldsOf(item),
    path: ['iam', 'serviceAccounts', at],
  }))
  checkRoleNames([...places, ...making], context)
}

/** One cluster is one document's. */
function twiceDescribed(clusters: readonly DesiredCluster[]): readonly DesiredFault[] {
  const seen = new Map<string, string>()
  return clusters.flatMap(({ accountId = '', name, region = '', source }) => {
    const key = JSON.stringify([accountId, region, name])
    const before = seen.get(key)
    seen.set(key, before ?? source)
    if (before === undefined) return []
    const message = `cluster ${name}${region === '' ? '' : ` in ${region}`} is described already, in ${before}`
    return [{ source, path: '', message }]
  })
}
