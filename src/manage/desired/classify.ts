import { isFields, textOf } from './checks/check.ts'
import { listOf, quoteValue } from './faults.ts'
import type { DocumentKind } from './schema.ts'

/** Which kind of document a value is; `others` is one that podrole leaves alone. */
export type Classified =
  | { readonly kind: DocumentKind }
  | { readonly kind: 'others' }
  | { readonly kind: 'fault'; readonly path: readonly string[]; readonly message: string }

const BLOCKS = ['iam', 'accessConfig', 'addons', 'addonsConfig']

const KINDS: readonly {
  readonly apiVersion: string
  readonly kind: string
  readonly document: DocumentKind
}[] = [
  { apiVersion: 'eksctl.io/v1alpha5', kind: 'ClusterConfig', document: 'eksctl' },
  { apiVersion: 'rafay.io/v1alpha5', kind: 'ClusterConfig', document: 'rafay' },
  { apiVersion: 'podrole.dev/v1alpha1', kind: 'Cluster', document: 'podrole' },
]

const KNOWN = listOf([
  ...KINDS.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`),
  'kind: mk8s',
  'iam, accessConfig and addons alone',
])

/** Tells a document's kind by apiVersion and kind, or by its fields where it has neither. */
export function classifyDocument(value: unknown): Classified {
  if (!isFields(value)) {
    return { kind: 'fault', path: [], message: `it is no mapping: wanted ${KNOWN}` }
  }
  const { apiVersion, kind } = value
  if (kind === 'mk8s') return { kind: 'mk8s' }
  const found = KINDS.find((one) => one.kind === kind && one.apiVersion === apiVersion)
  if (found !== undefined) return { kind: found.document }
  if (apiVersion === undefined && kind === undefined && isFragment(value))
    return { kind: 'fragment' }
  if (isRafayCluster(value)) return { kind: 'others' }
  return { kind: 'fault', ...strange(value) }
}

const isFragment = (value: Readonly<Record<string, unknown>>): boolean =>
  BLOCKS.some((block) => block in value)

/** Beside its ClusterConfig Rafay has a document of its own kind, with or without an apiVersion. */
function isRafayCluster({ apiVersion, kind }: Readonly<Record<string, unknown>>): boolean {
  const isOwn =
    apiVersion === undefined ||
    /^(?:[\w.-]+\.)?(?:rafay\.io|k8smgmt\.io)\//.test(textOf(apiVersion) ?? '')
  return kind === 'Cluster' && isOwn
}

function strange(value: Readonly<Record<string, unknown>>): {
  readonly path: readonly string[]
  readonly message: string
} {
  const { apiVersion, kind } = value
  if (typeof kind === 'string') {
    const sameKind = KINDS.filter((one) => one.kind === kind)
    if (sameKind.length > 0) {
      const wanted = listOf(sameKind.map((one) => one.apiVersion))
      const isText = typeof apiVersion === 'string'
      return {
        path: ['apiVersion'],
        message: isText
          ? `${quoteValue(apiVersion)} is not one: wanted ${wanted}`
          : `it is missing: wanted ${wanted}`,
      }
    }
    return {
      path: ['kind'],
      message: `${quoteValue(kind)} is not a kind that podrole reads: wanted ${KNOWN}`,
    }
  }
  return { path: [], message: `it is not a document that podrole reads: wanted ${KNOWN}` }
}
