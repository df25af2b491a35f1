/** The objects that install the webhook. */
import type { KubeObject, PodSpec } from '../kube/objects.ts'
import type { ServingCertificate } from '../lib/serve.ts'

export interface WebhookManifestOptions {
  readonly image: string
  /** Default `podrole-system`. */
  readonly namespace?: string
  /** PEM text of the CA that the serving certificate comes from. */
  readonly caBundle?: string
  /**
   * Where the webhook runs outside the cluster, `https://HOST[:PORT][/PATH]`; `/mutate` where it
   * has no path. Nothing is deployed then: the objects are the access rights and the configuration.
   */
  readonly url?: string
  /** `Ignore` by default: a webhook that is down keeps no pod from running. */
  readonly failurePolicy?: 'Ignore' | 'Fail'
  /** 1 to 30, 10 by default. */
  readonly timeoutSeconds?: number
  /** Written into the Secret; without it the Secret is somebody else's work. */
  readonly certificate?: ServingCertificate
  /** Default 2. */
  readonly replicas?: number
  /** Further arguments of `podrole webhook`. */
  readonly args?: readonly string[]
  /** A config map of the namespace whose key `identities.json` is the identities file. */
  readonly identitiesConfigMap?: string
  /** Default `system-cluster-critical`. */
  readonly priorityClassName?: string
  /** Namespaces besides its own and `kube-system` whose pods are left alone. */
  readonly excludedNamespaces?: readonly string[]
}

const WEBHOOK_NAME = 'podrole-webhook'
/** The default of `WebhookManifestOptions.namespace`. */
export const WEBHOOK_NAMESPACE = 'podrole-system'
/** The label that keeps a pod away from the webhook, whatever its value; AWS's webhook's own. */
const SKIP_LABEL = 'eks.amazonaws.com/skip-pod-identity-webhook'
/** The Secret of type `kubernetes.io/tls` with the serving certificate. */
export const CERTIFICATE_SECRET = 'podrole-webhook-certificate'

/** The webhook's own default. */
const METRICS_PORT = 9999
const PORT = 8443
const CERTIFICATE_FOLDER = '/etc/podrole/certificate'
const IDENTITIES_FOLDER = '/etc/podrole/identities'
const LABELS = {
  'app.kubernetes.io/name': WEBHOOK_NAME,
  'app.kubernetes.io/part-of': 'podrole',
}
const MATCH_LABELS = { 'app.kubernetes.io/name': WEBHOOK_NAME }

type Manifest = KubeObject & Readonly<Record<string, unknown>>

/**
 * The DNS names that the serving certificate of the Service must hold; the API server asks for
 * `NAME.NAMESPACE.svc`.
 */
export function webhookServiceNames(namespace: string = WEBHOOK_NAMESPACE): readonly string[] {
  const name = `${WEBHOOK_NAME}.${namespace}.svc`
  return [name, `${name}.cluster.local`]
}

/**
 * Namespace, ServiceAccount, rights, Service, Deployment, PodDisruptionBudget, Secret and
 * MutatingWebhookConfiguration, in the order in which they are to be applied.
 */
export function webhookManifests(options: WebhookManifestOptions): readonly KubeObject[] {
  const namespace = options.namespace ?? WEBHOOK_NAMESPACE
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels: LABELS },
    },
    ...accessRights(namespace),
    ...(options.url === undefined ? workload(options, namespace) : []),
    configuration(options, namespace),
  ]
}

function accessRights(namespace: string): Manifest[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: WEBHOOK_NAME, namespace, labels: LABELS },
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: WEBHOOK_NAME, labels: LABELS },
      rules: [{ apiGroups: [''], resources: ['serviceaccounts'], verbs: ['get', 'list', 'watch'] }],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: WEBHOOK_NAME, labels: LABELS },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: WEBHOOK_NAME },
      subjects: [{ kind: 'ServiceAccount', name: WEBHOOK_NAME, namespace }],
    },
  ]
}

function workload(options: WebhookManifestOptions, namespace: string): Manifest[] {
  const metadata = { name: WEBHOOK_NAME, namespace, labels: LABELS }
  const { certificate } = options
  const secret: Manifest = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: CERTIFICATE_SECRET, namespace, labels: LABELS },
    type: 'kubernetes.io/tls',
    data: {
      'tls.crt': base64(certificate?.cert ?? ''),
      'tls.key': base64(certificate?.key ?? ''),
      ...(options.caBundle !== undefined && { 'ca.crt': base64(options.caBundle) }),
    },
  }
  return [
    ...(certificate === undefined ? [] : [secret]),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: {
        selector: MATCH_LABELS,
        ports: [{ name: 'https', port: 443, targetPort: 'https', protocol: 'TCP' }],
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: options.replicas ?? 2,
        selector: { matchLabels: MATCH_LABELS },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
        template: { metadata: { labels: podLabels() }, spec: podSpec(options) },
      },
    },
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata,
      spec: { maxUnavailable: 1, selector: { matchLabels: MATCH_LABELS } },
    },
  ]
}

/** The webhook's own pods must start where no webhook runs yet, whatever the selectors say. */
const podLabels = (): Record<string, string> => ({ ...LABELS, [SKIP_LABEL]: 'true' })

/** The webhook's pod; it passes the `restricted` level of the Pod Security Standards. */
function podSpec(options: WebhookManifestOptions): PodSpec & Record<string, unknown> {
  const { identitiesConfigMap } = options
  const volumes = [
    { name: 'certificate', secret: { secretName: CERTIFICATE_SECRET } },
    ...(identitiesConfigMap === undefined
      ? []
      : [{ name: 'identities', configMap: { name: identitiesConfigMap, optional: true } }]),
  ]
  const folders: Record<string, string> = {
    certificate: CERTIFICATE_FOLDER,
    identities: IDENTITIES_FOLDER,
  }
  const probe = (path: string): object => ({
    httpGet: { path, port: 'https', scheme: 'HTTPS' },
    periodSeconds: 10,
    timeoutSeconds: 5,
    failureThreshold: 3,
  })
  const container = {
    name: 'webhook',
    image: options.image,
    args: webhookArguments(options),
    ports: [
      { name: 'https', containerPort: PORT, protocol: 'TCP' },
      { name: 'metrics', containerPort: METRICS_PORT, protocol: 'TCP' },
    ],
    livenessProbe: probe('/healthz'),
    readinessProbe: probe('/readyz'),
    resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { memory: '256Mi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: volumes.map(({ name }) => ({
      name,
      mountPath: folders[name] ?? '',
      readOnly: true,
    })),
  }
  return {
    serviceAccountName: WEBHOOK_NAME,
    priorityClassName: options.priorityClassName ?? 'system-cluster-critical',
    terminationGracePeriodSeconds: 30,
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      // Secret files are root's; this group may read them.
      fsGroup: 65_532,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: MATCH_LABELS },
      },
    ],
    containers: [container],
    volumes,
  }
}

const webhookArguments = (options: WebhookManifestOptions): string[] => [
  'webhook',
  `--port=${PORT}`,
  `--tls-cert=${CERTIFICATE_FOLDER}/tls.crt`,
  `--tls-key=${CERTIFICATE_FOLDER}/tls.key`,
  ...(options.identitiesConfigMap === undefined
    ? []
    : [`--watch-container-credentials-config=${IDENTITIES_FOLDER}/identities.json`]),
  ...(options.args ?? []),
]

function configuration(options: WebhookManifestOptions, namespace: string): Manifest {
  const { caBundle, url } = options
  const excluded = [...new Set([namespace, 'kube-system', ...(options.excludedNamespaces ?? [])])]
  const clientConfig = {
    ...(url === undefined
      ? { service: { name: WEBHOOK_NAME, namespace, path: '/mutate', port: 443 } }
      : { url: mutateUrl(url) }),
    ...(caBundle !== undefined && { caBundle: base64(caBundle) }),
  }
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: WEBHOOK_NAME, labels: LABELS },
    webhooks: [
      {
        name: 'webhook.podrole.internal',
        admissionReviewVersions: ['v1', 'v1beta1'],
        clientConfig,
        failurePolicy: options.failurePolicy ?? 'Ignore',
        matchPolicy: 'Equivalent',
        // Another webhook may add a container after this one ran.
        reinvocationPolicy: 'IfNeeded',
        sideEffects: 'None',
        timeoutSeconds: options.timeoutSeconds ?? 10,
        rules: [
          {
            apiGroups: [''],
            apiVersions: ['v1'],
            operations: ['CREATE'],
            resources: ['pods'],
            scope: 'Namespaced',
          },
        ],
        namespaceSelector: {
          matchExpressions: [
            { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: excluded },
          ],
        },
        objectSelector: {
          matchExpressions: [{ key: SKIP_LABEL, operator: 'DoesNotExist' }],
        },
      },
    ],
  }
}

function mutateUrl(url: string): string {
  const parsed = new URL(url)
  if (parsed.pathname === '/') parsed.pathname = '/mutate'
  return parsed.href
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')
