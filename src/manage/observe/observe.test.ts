import { describe, expect, test } from 'bun:test'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { webhookServiceNames } from '../../webhook/manifests.ts'
import type { DesiredCluster } from '../desired/desired-state.ts'
import { WEBHOOK_NAME } from '../workload-identity/look.ts'
import { observe } from './observe.ts'
import type { ClusterReader, KubeReader, ObservePlaces } from './ports.ts'

const ARN = 'arn:aws:eks:eu-central-1:111122223333:cluster/shop'
const desired = (more: Partial<DesiredCluster>): DesiredCluster => ({
  source: 'shop.yaml',
  kind: 'eks',
  name: 'shop',
  tags: {},
  ...more,
})
const denied = (what: string): Promise<never> =>
  Promise.reject(new PodroleError('AccessDenied', `${what}: AccessDenied`))

/** Everything is empty and may be read, but for what is put in its place; `read` is what was asked. */
function placesOf(
  change: { readonly cluster?: Partial<ClusterReader>; readonly kube?: Partial<KubeReader> } = {},
): { readonly places: ObservePlaces; readonly read: string[] } {
  const read: string[] = []
  const told = <T>(name: string, value: T): (() => Promise<T>) => {
    return () => {
      read.push(name)
      return Promise.resolve(value)
    }
  }
  const cluster: ClusterReader = {
    facts: told('facts', {
      arn: ARN,
      region: 'eu-central-1',
      isAutoMode: false,
      issuer: 'https://oidc.example.com/id/1',
      kubernetesVersion: '1.36',
      endpoint: 'https://shop.example.com',
    }),
    associations: told('associations', []),
    accessEntries: told('accessEntries', []),
    addons: told('addons', []),
    offer: told('offer', undefined),
    ...change.cluster,
  }
  const kube: KubeReader = {
    identity: told('identity', { kind: 'same' } as const),
    server: 'https://shop.example.com',
    serviceAccounts: told('serviceAccounts', []),
    namespaces: told('namespaces', []),
    workloadIdentity: told('workloadIdentity', { status: 'enabled', isDeclared: true } as const),
    ...change.kube,
  }
  const places: ObservePlaces = {
    iam: {
      partition: 'aws',
      accountId: '111122223333',
      roles: told('roles', []),
      provider: (arn) => {
        read.push(`provider ${arn}`)
        return Promise.resolve(undefined)
      },
      trustQuota: told('trustQuota', { value: 2048, isLive: true, text: '2048' }),
    },
    cluster: () => Promise.resolve(cluster),
    kube: () => Promise.resolve(kube),
  }
  return { places, read }
}

describe('what is read', () => {
  test('is what files speak of', async () => {
    const { places, read } = placesOf()
    await observe([desired({ withOidc: true })], places)
    expect(read.toSorted()).toEqual([
      'addons',
      'associations',
      'facts',
      'provider arn:aws:iam::111122223333:oidc-provider/oidc.example.com/id/1',
      'roles',
      'trustQuota',
    ])
  })

  test('with every block everything', async () => {
    const { places, read } = placesOf()
    const addon = { path: 'addons[0]', name: 'eks-pod-identity-agent', tags: {} }
    const state = await observe(
      [
        desired({
          associations: [],
          access: { path: 'accessConfig', entries: [] },
          addons: [
            { ...addon, identity: { kind: 'unspoken' } },
            { ...addon, name: 'coredns', identity: { kind: 'unspoken' } },
          ],
          workloadIdentity: 'enabled',
        }),
      ],
      places,
    )
    expect(read.filter((one) => one === 'offer').length).toBe(1)
    expect(read).toContain('accessEntries')
    expect(read).toContain('workloadIdentity')
    const [cluster] = state.clusters
    expect(cluster).toMatchObject({
      name: 'shop',
      arn: ARN,
      workloadIdentity: { isDeclared: true },
    })
    expect(Object.keys(cluster ?? {})).not.toContain('kubernetesVersion')
  })

  test('of another cluster that the kubeconfig leads to nothing, but that it is another', async () => {
    const wanted = 'https://oidc.example.com/id/1'
    const server = 'https://other.example.com'
    const other = { kind: 'other', server, issuer: `${wanted}23`, wanted } as const
    const { places, read } = placesOf({ kube: { identity: () => Promise.resolve(other) } })
    const { clusters } = await observe([desired({ associations: [] })], places)
    expect(clusters).toMatchObject([{ serviceAccounts: [], namespaces: [] }])
    expect(clusters[0]?.kubeFault).toContain(`${server} has the issuer ${wanted}23, not ${wanted}`)
    expect(read).not.toContain('serviceAccounts')
    expect(read).not.toContain('namespaces')
  })

  test('a cluster that is not there is left out', async () => {
    const { places } = placesOf({ cluster: { facts: () => Promise.resolve(undefined) } })
    expect((await observe([desired({ associations: [] })], places)).clusters).toEqual([])
  })
})

describe('what may not be read', () => {
  const faultOf = async (places: ObservePlaces): Promise<unknown> =>
    observe([desired({ associations: [] })], places).catch((error: unknown) => error)

  test('is told all at once', async () => {
    const { places } = placesOf({
      cluster: { associations: () => denied('ListPodIdentityAssociations') },
      kube: { namespaces: () => denied('GET /api/v1/namespaces') },
    })
    const fault = await faultOf(places)
    expect(codeOf(fault)).toBe('NotReadable')
    expect(messageOf(fault)).toContain('ListPodIdentityAssociations: AccessDenied')
    expect(messageOf(fault)).toContain('GET /api/v1/namespaces')
  })

  test('any other fault is that fault', async () => {
    const broken = new PodroleError('ServerError', 'broken')
    const { places } = placesOf({ cluster: { addons: () => Promise.reject(broken) } })
    expect(await faultOf(places)).toBe(broken)
  })
})

test("the webhook's name is that of its manifests", () => {
  expect(webhookServiceNames()[0]).toStartWith(`${WEBHOOK_NAME}.`)
})
