/** A cluster's Kubernetes, as far as doctor looks: each list once, and little of each object kept. */
import { X509Certificate } from 'node:crypto'
import {
  type KubeClient,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NAMESPACES,
  NODES,
  PODS,
  SECRETS,
  SERVICE_ACCOUNTS,
  SERVICES,
} from '../../kube/client.ts'
import type { Container, KubeNode, KubeObject, Pod, ServiceAccount } from '../../kube/objects.ts'
import { type Jwks, parseJwks } from '../../token/jwks.ts'
import { parseCsvRecord } from '../../webhook/annotations.ts'
import type {
  AccountedFact,
  DoctorCluster,
  NodeFact,
  PodFact,
  PodWebhookFact,
  ServiceFact,
} from './doctor-facts.ts'
import { type Fact, known, orAbsent, readFact, unknown, valueOf } from './fact.ts'
import { hasEnv, ROLE_ANNOTATION } from './way.ts'

type OfKube = Pick<
  DoctorCluster,
  'serviceAccounts' | 'namespaces' | 'pods' | 'nodes' | 'webhooks' | 'issuer' | 'liveKeys'
>

/** @param open may throw where there is no way to the cluster */
export async function gatherKube(
  open: () => Promise<KubeClient>,
  timeoutMs: number,
): Promise<OfKube> {
  const opened = await readFact(open, timeoutMs)
  if (!opened.known) {
    const none = unknown(`its Kubernetes: ${opened.why}`)
    return {
      serviceAccounts: none,
      namespaces: none,
      pods: none,
      nodes: none,
      webhooks: none,
      issuer: none,
      liveKeys: none,
    }
  }
  const kube = opened.value
  const read = <T>(ask: () => Promise<T>): Promise<Fact<T>> => readFact(ask, timeoutMs)
  const [serviceAccounts, namespaces, listed, nodes, issuer, liveKeys] = await Promise.all([
    read(() => readAccounts(kube)),
    read(async () =>
      (await kube.list(NAMESPACES)).items.flatMap(({ metadata }) => metadata.name ?? []),
    ),
    read(() => readPods(kube)),
    read(async () => (await kube.list<KubeNode>(NODES)).items.map(nodeFact)),
    read(() => orAbsent(() => readIssuer(kube))),
    read(() => orAbsent(() => readKeys(kube))),
  ])
  const webhooks = await read(() => readWebhooks(kube, valueOf(listed) ?? [], timeoutMs))
  const pods = listed.known ? known(listed.value.map(({ fact }) => fact)) : listed
  return { serviceAccounts, namespaces, pods, nodes, webhooks, issuer, liveKeys }
}

async function readAccounts(kube: KubeClient): Promise<readonly AccountedFact[]> {
  const { items } = await kube.list<ServiceAccount>(SERVICE_ACCOUNTS)
  return items.map(({ metadata }) => {
    const roleArn = metadata.annotations?.[ROLE_ANNOTATION]
    return {
      namespace: metadata.namespace ?? '',
      name: metadata.name ?? '',
      ...(roleArn && { roleArn }),
    }
  })
}

async function readIssuer(kube: KubeClient): Promise<string | undefined> {
  const answer = await kube.raw('GET', '/.well-known/openid-configuration')
  const document: unknown = await answer.json().catch(() => undefined)
  const issuer: unknown = Reflect.get(Object(document), 'issuer')
  return typeof issuer === 'string' ? issuer : undefined
}

const readKeys = async (kube: KubeClient): Promise<Jwks> =>
  parseJwks(await (await kube.raw('GET', '/openid/v1/jwks')).text())

interface ListedPod {
  readonly fact: PodFact
  /** Names of the Secrets in its volumes. */
  readonly secrets: readonly string[]
}

async function readPods(kube: KubeClient): Promise<readonly ListedPod[]> {
  const { items } = await kube.list<Pod>(PODS)
  return items
    .filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed')
    .map((pod) => ({
      fact: podFact(pod),
      secrets: (pod.spec.volumes ?? []).flatMap(({ secret }) => secret?.secretName ?? []),
    }))
}

/** Its pods are left alone by webhooks because somebody wants it. */
const SKIP_POD = 'eks.amazonaws.com/skip-pod-identity-webhook'
const SKIP_CONTAINERS = 'eks.amazonaws.com/skip-containers'

function podFact({ metadata, spec, status }: Pod): PodFact {
  const node = spec.nodeName
  const skipped = parseCsvRecord(metadata.annotations?.[SKIP_CONTAINERS] ?? '') ?? []
  const isSkipped = metadata.labels?.[SKIP_POD] !== undefined
  const containers = isSkipped ? [] : spec.containers.filter(({ name }) => !skipped.includes(name))
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    serviceAccount: spec.serviceAccountName ?? 'default',
    ...(node !== undefined && { node }),
    isReady: isTrue(status?.conditions, 'Ready'),
    ...(metadata.creationTimestamp !== undefined && { madeAt: metadata.creationTimestamp }),
    labels: metadata.labels ?? {},
    images: spec.containers.flatMap(({ image }) => image ?? []),
    ways: [...new Set(containers.flatMap(waysOf))],
  }
}

const isTrue = (
  conditions: readonly { type: string; status: string }[] | undefined,
  wanted: string,
): boolean => (conditions ?? []).some(({ status, type }) => type === wanted && status === 'True')

function waysOf(container: Container): PodFact['ways'] {
  const has = (...names: readonly string[]): boolean =>
    names.every((name) => hasEnv(container, name))
  const ways: PodFact['ways'][number][] = []
  if (has('AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_ROLE_ARN')) ways.push('web-identity')
  if (has('AWS_CONTAINER_CREDENTIALS_FULL_URI')) ways.push('container')
  if (has('AWS_ACCESS_KEY_ID')) ways.push('keys')
  if (ways.length > 0) return ways
  return (container.envFrom ?? []).length > 0 ? ['unclear'] : ['none']
}

const COMPUTE_TYPE = 'eks.amazonaws.com/compute-type'

function nodeFact({ metadata: { labels = {}, name = '' }, status }: KubeNode): NodeFact {
  const type = labels[COMPUTE_TYPE]
  const compute =
    type === 'fargate' || type === 'hybrid'
      ? type
      : labels['kubernetes.io/os'] === 'windows'
        ? 'windows'
        : 'linux'
  return { name, isReady: isTrue(status?.conditions, 'Ready'), compute }
}

interface WebhookConfiguration extends KubeObject {
  webhooks?: {
    name: string
    clientConfig?: {
      url?: string
      caBundle?: string
      service?: { namespace: string; name: string }
    }
    rules?: { resources?: string[] }[]
  }[]
}

/** Webhooks that give pods their identity: AWS's and podrole's, whatever domain they were put in. */
const INJECTS = /pod-identity-webhook|podrole/

async function readWebhooks(
  kube: KubeClient,
  pods: readonly ListedPod[],
  timeoutMs: number,
): Promise<readonly PodWebhookFact[]> {
  const { items } = await kube.list<WebhookConfiguration>(MUTATING_WEBHOOK_CONFIGURATIONS)
  const found = items.flatMap(({ metadata, webhooks = [] }) =>
    webhooks
      .filter(({ rules = [] }) => rules.some(({ resources }) => resources?.includes('pods')))
      .map((webhook) => ({ configuration: metadata.name ?? '', ...webhook }))
      .filter(({ configuration, name }) => INJECTS.test(configuration) || INJECTS.test(name)),
  )
  return Promise.all(
    found.map(async ({ clientConfig = {}, configuration, name }) => {
      const { caBundle, service: ref, url } = clientConfig
      const service = ref && (await readService(kube, ref, timeoutMs))
      return {
        configuration,
        name,
        ...(url !== undefined && { url }),
        ...(service !== undefined && { service }),
        authorityEnds: endsIn(caBundle ?? ''),
        certificateEnds:
          service === undefined
            ? known(undefined)
            : await readFact(() => readCertificate(kube, service, pods), timeoutMs),
      }
    }),
  )
}

async function readService(
  kube: KubeClient,
  { name, namespace }: { readonly namespace: string; readonly name: string },
  timeoutMs: number,
): Promise<ServiceFact> {
  type Service = KubeObject & { spec?: { selector?: Record<string, string> } }
  const selector = await readFact(
    () =>
      orAbsent(async () => {
        const { spec } = await kube.get<Service>(SERVICES, { namespace, name })
        return spec?.selector ?? {}
      }),
    timeoutMs,
  )
  return { namespace, name, selector }
}

interface SecretObject extends KubeObject {
  data?: Record<string, string>
}

/** Of the Secret that the pods behind the service mount; what else is in it is not looked at. */
async function readCertificate(
  kube: KubeClient,
  { namespace, selector }: ServiceFact,
  pods: readonly ListedPod[],
): Promise<string | undefined> {
  const wanted = Object.entries(valueOf(selector) ?? {})
  if (wanted.length === 0) return undefined
  const behind = pods.filter(
    ({ fact }) =>
      fact.namespace === namespace && wanted.every(([key, value]) => fact.labels[key] === value),
  )
  for (const name of new Set(behind.flatMap(({ secrets }) => secrets))) {
    const secret = await orAbsent(() => kube.get<SecretObject>(SECRETS, { namespace, name }))
    const [end] = endsIn(secret?.data?.['tls.crt'] ?? '')
    if (end !== undefined) return end
  }
  return undefined
}

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** When the certificates in a base64 text of PEM end, in their order. */
function endsIn(base64: string): readonly string[] {
  const text = Buffer.from(base64, 'base64').toString()
  return [...text.matchAll(PEM)].flatMap(([pem]) => {
    try {
      return new Date(new X509Certificate(pem).validTo).toISOString()
    } catch {
      return []
    }
  })
}
