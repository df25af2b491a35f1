/** The sandbox's schemas against those of a real API server: how lists and maps are merged. */
import { describe, expect, test } from 'bun:test'
import { openapiAt } from '../../src/sandbox/cluster/openapi.ts'
import { REGISTRY } from '../../src/sandbox/cluster/types/table.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import { lacks } from '../support/tools.ts'

const kubernetes = await findKubernetes()
const isSkipped = lacks('the schemas of a real API server', kubernetes.missing)

type Node = Readonly<Record<string, unknown>>
type Components = Readonly<Record<string, Node>>

const componentsOf = (document: Node): Components =>
  (document['components'] as { schemas: Components }).schemas

const DEPTH_MAX = 14

/** What a field says of merging: the same words for the same thing. */
function mergingOf(node: Node, { isItem, isKey }: Place): Node {
  const { type } = node
  const strategy = (node['x-kubernetes-patch-strategy'] ?? '') as string
  return {
    ...(type === 'array' && {
      listType: node['x-kubernetes-list-type'] ?? 'atomic',
      keys: node['x-kubernetes-list-map-keys'],
      mergeKey: node['x-kubernetes-patch-merge-key'],
      isMerged: strategy.split(',').includes('merge'),
    }),
    ...(type === 'object' && {
      isAtomic: node['x-kubernetes-map-type'] === 'atomic',
      ...(!isItem && { isValue: JSON.stringify(node['default']) === '{}' }),
    }),
    ...(isKey && { default: node['default'] }),
  }
}

interface Place {
  readonly path: string
  readonly isItem: boolean
  /** A field by which the elements of a list are told apart. */
  readonly isKey: boolean
}

function resolve(components: Components, node: Node): Node {
  const { allOf, $ref, ...own } = node
  const [first] = Array.isArray(allOf) ? (allOf as Node[]) : []
  const found = first ?? (typeof $ref === 'string' ? { $ref } : undefined)
  if (found === undefined) return node
  const name = String(found['$ref']).split('/').at(-1) ?? ''
  return { ...resolve(components, components[name] ?? {}), ...own }
}

/** Where two schemas of a kind differ in fields that both have. */
function differences(mine: Components, real: Components, kinds: readonly [Node, Node]): string[] {
  const found: string[] = []
  const walk = (own: Node, other: Node, place: Place, keys: readonly unknown[] = []): void => {
    const { path } = place
    const [left, right] = [resolve(mine, own), resolve(real, other)]
    // What the sandbox takes as it comes says nothing of its fields.
    if (left['x-kubernetes-preserve-unknown-fields'] === true) return
    if (path.split(/[.[]/).length > DEPTH_MAX || right['type'] !== left['type']) return
    const [says, wanted] = [mergingOf(left, place), mergingOf(right, place)]
    if (!Bun.deepEquals(says, wanted)) {
      found.push(`${path}: ${JSON.stringify(says)}, wanted ${JSON.stringify(wanted)}`)
    }
    const [fields, others] = [left['properties'] ?? {}, right['properties'] ?? {}] as Components[]
    for (const [name, field] of Object.entries(fields ?? {})) {
      const twin = others?.[name]
      const inner = { path: `${path}.${name}`, isItem: false, isKey: keys.includes(name) }
      if (twin !== undefined) walk(field, twin, inner)
    }
    const [items, twins] = [left['items'], right['items']] as (Node | undefined)[]
    if (items === undefined || twins === undefined) return
    const below = (wanted['keys'] ?? []) as unknown[]
    walk(items, twins, { path: `${path}[]`, isItem: true, isKey: false }, below)
  }
  walk(kinds[0], kinds[1], { path: '', isItem: true, isKey: false })
  return found
}

function kindsOf(components: Components): Map<string, Node> {
  return new Map(
    Object.values(components).flatMap((component) =>
      ((component['x-kubernetes-group-version-kind'] ?? []) as Node[]).map(
        ({ group, version, kind }) => [
          `${String(group)}/${String(version)}/${String(kind)}`,
          component,
        ],
      ),
    ),
  )
}

describe.skipIf(isSkipped)('the schemas of kube-apiserver', () => {
  test('merge as those of the sandbox do', async () => {
    const cluster = await startRealCluster({
      programs: kubernetes.folder ?? '',
      name: 'schemas',
      issuer: 'https://schemas.issuer.sandbox/one',
    })
    try {
      const found: string[] = []
      let count = 0
      for (const root of Object.keys(openapiAt(REGISTRY, '/openapi/v3')?.['paths'] ?? {})) {
        const answer = await fetch(`${cluster.server}/openapi/v3/${root}`, {
          headers: {
            authorization: `Bearer ${cluster.adminToken.reveal()}`,
            accept: 'application/json',
          },
          tls: { ca: cluster.certificateAuthority },
          proxy: false,
        })
        const real = componentsOf((await answer.json()) as Node)
        const mine = componentsOf(openapiAt(REGISTRY, `/openapi/v3/${root}`) ?? {})
        const others = kindsOf(real)
        for (const [kind, component] of kindsOf(mine)) {
          const twin = others.get(kind)
          if (twin === undefined || kind.includes('Review')) continue
          count += 1
          for (const says of differences(mine, real, [component, twin])) {
            found.push(`${kind}${says}`)
          }
        }
      }
      expect(found).toEqual([])
      expect(count).toBeGreaterThan(25)
    } finally {
      await cluster.stop()
    }
  }, 240_000)
})
