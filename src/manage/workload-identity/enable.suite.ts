/** The add-on on an API server: killed at every write, and beside what others made. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  type KubeClient,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NAMESPACES,
  SECRETS,
} from '../../kube/client.ts'
import type { KubeObject } from '../../kube/objects.ts'
import { createKubeClient } from '../../kube/transport.ts'
import { systemClock } from '../../lib/clock.ts'
import { codeOf } from '../../lib/errors.ts'
import { webhookIn } from '../../cli/parts/workload-identity.ts'
import type { ServedCluster } from '../../sandbox/cluster/cluster.ts'
import {
  disableWorkloadIdentity,
  enableWorkloadIdentity,
  type WorkloadIdentityPorts,
  type WorkloadIdentityStep,
  type WorkloadIdentityWish,
} from './enable.ts'
import { lookAtWorkloadIdentity } from './look.ts'
import { RECORD_PLACE } from './record.ts'

const ISSUER = 'https://edge.issuer.sandbox'
const WISH: WorkloadIdentityWish = { cluster: 'edge', isDeclared: false, webhook: {} }
const SETTINGS = webhookIn('eu-central-1').defaults
const NAME = 'podrole-webhook'
const KILLED = new Error('killed')
const START_MS = 120_000

let kube: KubeClient

/** No pod runs here: a Deployment answers as soon as it is there. */
function withoutNodes(real: KubeClient): KubeClient {
  const status = { observedGeneration: 1e6, replicas: 1, updatedReplicas: 1, availableReplicas: 1 }
  return {
    ...real,
    get: async (type, ref) => {
      const found = await real.get<never>(type, ref)
      return type.kind === 'Deployment' ? Object.assign(found, { status }) : found
    },
  }
}

/** Everything ends at the write of that number, before or after it is done. */
function mortal(
  real: KubeClient,
  end: { readonly at: number; readonly isDone: boolean },
): { readonly kube: KubeClient; readonly isDead: () => boolean } {
  let [writes, isDead] = [0, false]
  const live = async <T>(ask: () => Promise<T>): Promise<T> => {
    if (isDead) throw KILLED
    return ask()
  }
  const write = async <T>(ask: () => Promise<T>): Promise<T> => {
    const isLast = writes === end.at
    writes += 1
    if (isLast && !end.isDone) isDead = true
    const done = await live(ask)
    isDead ||= isLast
    return live(async () => done)
  }
  return {
    isDead: () => isDead,
    kube: {
      ...real,
      get: (type, ref) => live(() => real.get(type, ref)),
      delete: (type, ref) => write(() => real.delete(type, ref)),
      raw: (method, path, init) =>
        (method === 'GET' ? live : write)(() => real.raw(method, path, init)),
    },
  }
}

function portsOf(client: KubeClient): {
  readonly ports: WorkloadIdentityPorts
  readonly steps: WorkloadIdentityStep[]
} {
  const steps: WorkloadIdentityStep[] = []
  const done = (line: string) => async () => ({ isChange: false, lines: [line] })
  const ports: WorkloadIdentityPorts = {
    kube: client,
    account: { partition: 'aws', accountId: '111122223333' },
    publish: done('published'),
    provider: done('there'),
    webhook: webhookIn('eu-central-1'),
    wait: { timeoutMs: 5000, onProgress: () => undefined },
    clock: systemClock,
    tell: (step) => steps.push(step),
  }
  return { ports, steps }
}

const enable = (client = kube, wish: Partial<WorkloadIdentityWish> = {}): Promise<unknown> =>
  enableWorkloadIdentity(portsOf(client).ports, { ...WISH, ...wish })

const disable = async (client = kube): Promise<void> =>
  disableWorkloadIdentity(portsOf(client).ports, await lookAtWorkloadIdentity(client))

type Any = KubeObject & Record<string, unknown>
interface Configuration extends KubeObject {
  webhooks: { clientConfig: { caBundle?: string; url?: string } }[]
}

/** What differs from one making to the next, and what controllers write. */
const MADE_ANEW =
  /"caBundle":"[^"]+"|"deployment.kubernetes.io\/revision":"\d+",?|"clusterIP":"[^"]+",?|"clusterIPs":\[[^\]]+\],?/g

/** What is there of the add-on's objects, without what differs from one making to the next. */
async function state(): Promise<unknown> {
  const objects = [
    ...webhookIn('').objects(SETTINGS),
    { kind: 'ConfigMap', metadata: RECORD_PLACE },
  ]
  const found: unknown[] = []
  for (const { kind, metadata } of objects) {
    if (kind === 'Namespace') continue
    const { namespace = '', name = '' } = metadata
    const path = pathOf(kind ?? '', namespace, name)
    const text = await kube.raw('GET', path).then(
      (response) => response.text(),
      (error: unknown) => String(codeOf(error)),
    )
    if (text === 'NotFound') continue
    const { metadata: all, status: _, data, ...rest } = JSON.parse(text) as Any
    const { annotations, labels } = all
    const cut = JSON.stringify({ name, annotations, labels, ...rest }).replaceAll(MADE_ANEW, '')
    found.push(kind === 'Secret' ? [cut, Object.keys(data ?? {})] : [cut, data])
  }
  return found
}

const PLURALS: Readonly<Record<string, string>> = {
  ServiceAccount: 'api/v1/*/serviceaccounts',
  ConfigMap: 'api/v1/*/configmaps',
  Secret: 'api/v1/*/secrets',
  Service: 'api/v1/*/services',
  Deployment: 'apis/apps/v1/*/deployments',
  PodDisruptionBudget: 'apis/policy/v1/*/poddisruptionbudgets',
  ClusterRole: 'apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: 'apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  MutatingWebhookConfiguration:
    'apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
}
const pathOf = (kind: string, namespace: string, name: string): string =>
  `/${(PLURALS[kind] ?? '').replace('*', `namespaces/${namespace}`)}/${name}`

/** The API server would take the webhook's certificate. */
async function expectTrusted(): Promise<void> {
  const { namespace } = SETTINGS
  const secret = await kube.get<KubeObject & { data: Record<string, string> }>(SECRETS, {
    namespace,
    name: `${NAME}-certificate`,
  })
  const { webhooks } = await kube.get<Configuration>(MUTATING_WEBHOOK_CONFIGURATIONS, {
    name: NAME,
  })
  const text = (base64 = ''): string => Buffer.from(base64, 'base64').toString()
  const leaf = new X509Certificate(text(secret.data['tls.crt']))
  const authority = new X509Certificate(text(webhooks[0]?.clientConfig.caBundle))
  expect(leaf.verify(authority.publicKey)).toBe(true)
  expect(leaf.checkHost(`${NAME}.${namespace}.svc`)).toBeDefined()
}

/** Kills at every write and after every write, until a run comes to its end; how often it was killed. */
async function killEverywhere(
  run: (client: KubeClient) => Promise<unknown>,
  between: (wasKilled: boolean) => Promise<void>,
): Promise<number> {
  for (let turn = 0; ; turn += 1) {
    const end = { at: Math.floor(turn / 2), isDone: turn % 2 === 1 }
    const { isDead, kube: client } = mortal(kube, end)
    const thrown = await run(client).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(thrown === undefined || isDead()).toBe(true)
    await between(isDead())
    if (!isDead()) return turn
  }
}

/**
 * The laws of the add-on on an API server whose cluster has no nodes.
 * @param start one with that issuer
 */
export function workloadIdentityLaws(start: (issuer: string) => Promise<ServedCluster>): void {
  let served: ServedCluster
  beforeAll(async () => {
    served = await start(ISSUER)
    const client = createKubeClient({
      server: served.server,
      ca: served.certificateAuthority,
      token: () => served.adminToken,
    })
    kube = withoutNodes(client)
  }, START_MS)
  afterAll(() => served.stop(), START_MS)
  afterEach(async () => {
    const seen = await lookAtWorkloadIdentity(kube)
    await disableWorkloadIdentity(portsOf(kube).ports, seen)
  })
  describe('killed at any write and begun again', killedLaws)
  describe('the same again', againLaws)
  describe("what is others'", othersLaws)
}

function killedLaws(): void {
  test('enabling ends in the same state, with a certificate that the API server trusts', async () => {
    await enable()
    const whole = await state()
    expect(JSON.stringify(whole)).toContain('"state":"enabled"')
    await disable()
    expect(await state()).toEqual([])
    const kills = await killEverywhere(enable, async (wasKilled) => {
      const { isDeclared, status } = await lookAtWorkloadIdentity(kube)
      // The last write is the one that says so.
      expect(wasKilled ? ['disabled', 'partial', 'enabled'] : ['enabled']).toContain(status)
      if (status === 'disabled') expect(await state()).toEqual([])
      expect(isDeclared).toBe(false)
      await enable()
      expect(await state()).toEqual(whole)
      await expectTrusted()
      await disable()
    })
    expect(kills).toBe(20)
  }, 120_000)

  test('disabling leaves nothing', async () => {
    await enable(kube, { isDeclared: true })
    const kills = await killEverywhere(disable, async () => {
      const { isDeclared, status } = await lookAtWorkloadIdentity(kube)
      // What is half gone is still the file's to finish.
      expect(isDeclared).toBe(status !== 'disabled')
      if (status === 'disabled') expect(await state()).toEqual([])
      await disable()
      expect(await state()).toEqual([])
      await enable(kube, { isDeclared: true })
    })
    expect(kills).toBe(20)
  }, 120_000)

  test('what disabling left half done is enabled again', async () => {
    await enable()
    const whole = await state()
    const { kube: client } = mortal(kube, { at: 4, isDone: true })
    await disable(client).catch(() => undefined)
    expect((await lookAtWorkloadIdentity(kube)).status).toBe('partial')
    await enable()
    expect(await state()).toEqual(whole)
  })
}

function againLaws(): void {
  test('changes nothing, not how many pods there are; a declared add-on stays declared', async () => {
    await enable(kube, { isDeclared: true })
    const deployment = { namespace: SETTINGS.namespace, name: NAME }
    await kube.mergePatch(DEPLOYMENTS, deployment, { spec: { replicas: 5 } })
    const { ports, steps } = portsOf(kube)
    await enableWorkloadIdentity(ports, WISH)
    expect(await kube.get(DEPLOYMENTS, deployment)).toMatchObject({ spec: { replicas: 5 } })
    expect(steps.filter(({ isChange }) => isChange)).toEqual([])
    expect(await lookAtWorkloadIdentity(kube)).toMatchObject({
      status: 'enabled',
      isDeclared: true,
      issuer: ISSUER,
      webhook: 'podrole',
    })
  })

  test('another image is an update, told field by field; a secret field is not', async () => {
    await enable()
    const webhook = { image: 'podrole:9' }
    await expect(enable(kube, { webhook })).rejects.toMatchObject({
      code: 'AddonDiffers',
      hint: 'podrole addon update awsWorkloadIdentity --cluster edge --image podrole:9',
    })
    await expect(enable(kube, { webhook: { namespace: 'other' } })).rejects.toMatchObject({
      code: 'AddonDiffers',
    })
    await kube.mergePatch(
      SECRETS,
      { namespace: SETTINGS.namespace, name: `${NAME}-certificate` },
      { data: { 'tls.crt': Buffer.from('junk').toString('base64') } },
    )
    const { ports, steps } = portsOf(kube)
    await enableWorkloadIdentity(ports, { ...WISH, webhook, isUpdate: true })
    const lines = steps.flatMap((step) => step.lines)
    expect(lines).toContain(
      `  spec.template.spec.containers[0].image: ${SETTINGS.image} → podrole:9`,
    )
    expect(lines).toContain('  data.tls.key: something → something else')
    expect(lines.join('\n')).not.toMatch(/LS0t/)
    await expectTrusted()
    // Without a word about it, it keeps its image.
    await enable()
    expect((await lookAtWorkloadIdentity(kube)).record?.image).toBe('podrole:9')
  })

  test('a webhook that was deleted by hand shows, and is made again', async () => {
    await enable()
    await kube.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: NAME })
    expect((await lookAtWorkloadIdentity(kube)).status).toBe('partial')
    await enable()
    expect((await lookAtWorkloadIdentity(kube)).status).toBe('enabled')
    await expectTrusted()
  })
}

function othersLaws(): void {
  test('a webhook by its manifests is used, and stays', async () => {
    const webhooks = [
      {
        name: 'webhook.podrole.internal',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Ignore',
        clientConfig: { url: 'https://127.0.0.1:9/mutate' },
      },
    ]
    const theirs = { metadata: { name: NAME }, webhooks }
    await kube.create(MUTATING_WEBHOOK_CONFIGURATIONS, theirs)
    const before = await kube.get(MUTATING_WEBHOOK_CONFIGURATIONS, { name: NAME })
    await enable()
    expect(await lookAtWorkloadIdentity(kube)).toMatchObject({
      status: 'enabled',
      webhook: 'found',
      record: { webhook: 'found', image: '' },
    })
    await disable()
    expect(await kube.get(MUTATING_WEBHOOK_CONFIGURATIONS, { name: NAME })).toEqual(before)
    await kube.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: NAME })
    expect(await state()).toEqual([])
  })

  test('an object of theirs under the name of one is a fault, and nothing is written over', async () => {
    const namespace = SETTINGS.namespace
    await kube.create(NAMESPACES, { metadata: { name: namespace } }).catch(() => undefined)
    const ref = { namespace, name: `${NAME}-certificate` }
    const data = { 'tls.crt': 'eA==', 'tls.key': 'eA==' }
    await kube.create<Any>(SECRETS, { metadata: ref, type: 'kubernetes.io/tls', data })
    await expect(enable()).rejects.toMatchObject({
      code: 'NotOwned',
      message: expect.stringContaining(`Secret ${namespace}/${NAME}-certificate`),
    })
    expect((await kube.get<Any>(SECRETS, ref))['data']).toEqual(data)
    await disable()
    expect((await kube.get<Any>(SECRETS, ref))['data']).toEqual(data)
    await kube.delete(SECRETS, ref)
    expect(await state()).toEqual([])
  })

  test('an issuer that the file does not mean is refused before anything is written', async () => {
    const wrong = enable(kube, { issuer: `${ISSUER}/` })
    await expect(wrong).rejects.toMatchObject({ code: 'IssuerDiffers' })
    expect(await state()).toEqual([])
  })

  test('a record that somebody broke is told as such', async () => {
    await enable()
    await kube.mergePatch(CONFIG_MAPS, RECORD_PLACE, { data: { trustPolicy: '{' } })
    await expect(enable()).rejects.toMatchObject({ code: 'BrokenRecord' })
    await kube.mergePatch(CONFIG_MAPS, RECORD_PLACE, { data: { trustPolicy: '{}' } })
  })
}
