import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { createKubeClient } from '../kube/transport.ts'
import { toYaml } from '../kube/yaml.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../lib/certificates.ts'
import { systemClock } from '../lib/clock.ts'
import { jsonResponse } from '../lib/handler.ts'
import { silentLog } from '../lib/log.ts'
import { serveTls, type ServingCertificate } from '../lib/serve.ts'
import { followCertificateFiles, readCertificateFiles } from '../lib/certificate-files.ts'
import { parseWebhookConfig } from './config.ts'
import { webhookManifests, webhookServiceNames } from './manifests.ts'
import { startWebhook } from './webhook-app.ts'

const folder = mkdtempSync(join(tmpdir(), 'podrole-webhook-'))
afterAll(() => rmSync(folder, { recursive: true }))

const authority = (): Promise<CertificateAuthority> =>
  createCertificateAuthority({ commonName: 'test' })

const ACCOUNTS: Record<string, object> = {
  app: {
    metadata: {
      name: 'app',
      namespace: 'team',
      annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::111122223333:role/app' },
    },
  },
}

/** An API server over TLS; accounts that are added later are found by name alone. */
async function startApi(certificate: ServingCertificate): ReturnType<typeof serveTls> {
  return serveTls({
    hostname: '127.0.0.1',
    port: 0,
    certificate,
    handler: (request) => {
      const { pathname, searchParams } = new URL(request.url)
      if (searchParams.has('watch')) return new Response(new ReadableStream())
      const list = { metadata: { resourceVersion: '1' }, items: [ACCOUNTS['app']] }
      if (pathname === '/api/v1/serviceaccounts') return jsonResponse(list)
      const found = ACCOUNTS[pathname.split('/').at(-1) ?? '']
      return found ? jsonResponse(found) : jsonResponse({ reason: 'NotFound' }, 404)
    },
  })
}

test('the running webhook: TLS, ready, decisions, another certificate, stop', async () => {
  const ca = await authority()
  const api = await startApi(await ca.issue({ names: ['127.0.0.1'] }))
  const webhook = await startWebhook({
    client: createKubeClient({ server: api.url, ca: ca.cert }),
    identities: { has: () => false },
    config: parseWebhookConfig(),
    certificate: await ca.issue({ names: ['127.0.0.1'] }),
    hostname: '127.0.0.1',
    port: 0,
    metrics: { hostname: '127.0.0.1', port: 0 },
    log: silentLog,
    clock: systemClock,
  })
  await webhook.ready()
  const call = (path: string, trust: string, body?: object): Promise<Response> =>
    fetch(`${webhook.url}${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { 'content-type': 'application/json' },
      proxy: false,
      tls: { ca: trust },
      signal: AbortSignal.timeout(5000),
      ...(body && { body: JSON.stringify(body) }),
    })
  expect((await call('/readyz', ca.cert)).status).toBe(200)
  ACCOUNTS['late'] = { ...ACCOUNTS['app'] }
  const reasons = await Promise.all(
    ['app', 'late', 'missing'].map(async (serviceAccountName) => {
      const object = { metadata: {}, spec: { serviceAccountName, containers: [{ name: 'a' }] } }
      const answer = await call('/mutate', ca.cert, {
        apiVersion: 'admission.k8s.io/v1',
        kind: 'AdmissionReview',
        request: { uid: 'u', namespace: 'team', object },
      })
      const { response } = (await answer.json()) as {
        response: { auditAnnotations: { reason: string } }
      }
      return response.auditAnnotations.reason
    }),
  )
  expect(reasons).toEqual(['Mutated', 'Mutated', 'ServiceAccountNotFound'])

  expect((await call('/mutate', ca.cert)).status).toBe(405)
  // Not where the API server asks.
  expect((await call('/metrics', ca.cert)).status).toBe(404)
  const page = await fetch(`${webhook.metricsUrl}/metrics`, {
    proxy: false,
    signal: AbortSignal.timeout(5000),
  })
  const lines = (await page.text()).split('\n').filter((line) => line.startsWith('podrole_webhook'))
  expect(lines.filter((line) => !line.includes('_duration_'))).toEqual([
    'podrole_webhook_admission_reviews_total{method="irsa",reason="Mutated"} 2',
    'podrole_webhook_admission_reviews_total{method="none",reason="ServiceAccountNotFound"} 1',
    'podrole_webhook_rejected_requests_total{code="405"} 1',
    'podrole_webhook_service_account_lookups_total{outcome="found"} 1',
    'podrole_webhook_service_account_lookups_total{outcome="none"} 1',
    'podrole_webhook_service_account_lookups_total{outcome="failed"} 0',
    'podrole_webhook_ready 1',
  ])
  expect(lines).toContain('podrole_webhook_admission_review_duration_seconds_count 3')

  const other = await authority()
  webhook.reload(await other.issue({ names: ['127.0.0.1'] }))
  expect((await call('/healthz', other.cert)).status).toBe(200)
  expect(() => webhook.reload({ cert: '', key: '' })).toThrow('not a pair')
  await webhook.stop()
  await api.stop(0)
  expect(await call('/healthz', other.cert).catch(() => 'refused')).toBe('refused')
})

test('certificate files are followed, half a pair is waited for', async () => {
  const ca = await authority()
  const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }
  const write = (pair: Partial<ServingCertificate>): void => {
    if (pair.cert !== undefined) writeFileSync(files.cert, pair.cert)
    if (pair.key !== undefined) writeFileSync(files.key, pair.key)
  }
  await expect(readCertificateFiles(files)).rejects.toMatchObject({
    code: 'InvalidServingCertificate',
  })
  const first = await ca.issue({ names: ['a'] })
  const second = await ca.issue({ names: ['b'] })
  write(first)
  const changed = Promise.withResolvers<ServingCertificate>()
  const faulty = Promise.withResolvers<string>()
  const following = followCertificateFiles({
    files,
    current: await readCertificateFiles(files),
    onChange: changed.resolve,
    pollMs: 5,
    log: {
      ...silentLog,
      warn: (_message, fields) => faulty.resolve(JSON.stringify(fields)),
    },
  })
  write({ cert: second.cert })
  expect(await faulty.promise).toContain('do not belong together')
  write({ key: second.key })
  expect(await changed.promise).toEqual(second)
  await following.stop()
  write({ key: 'nonsense' })
  await expect(readCertificateFiles(files)).rejects.toThrow('are not a certificate and a key')
})

test('the manifests', () => {
  const objects = webhookManifests({
    image: 'podrole:1',
    namespace: 'aws',
    caBundle: 'CA',
    certificate: { cert: 'CERT', key: 'KEY' },
    identitiesConfigMap: 'identities',
    args: ['--aws-default-region=eu-west-1'],
  })
  expect(objects.map(({ kind }) => kind)).toEqual([
    'Namespace',
    'ServiceAccount',
    'ClusterRole',
    'ClusterRoleBinding',
    'Secret',
    'Service',
    'Deployment',
    'PodDisruptionBudget',
    'MutatingWebhookConfiguration',
  ])
  const [webhook] = (objects.at(-1) as never as { webhooks: object[] }).webhooks
  expect(webhook).toMatchObject({
    failurePolicy: 'Ignore',
    reinvocationPolicy: 'IfNeeded',
    sideEffects: 'None',
    clientConfig: {
      service: { name: 'podrole-webhook', namespace: 'aws', path: '/mutate', port: 443 },
      caBundle: 'Q0E=',
    },
    namespaceSelector: {
      matchExpressions: [
        {
          key: 'kubernetes.io/metadata.name',
          operator: 'NotIn',
          values: ['aws', 'kube-system'],
        },
      ],
    },
    objectSelector: {
      matchExpressions: [
        { key: 'eks.amazonaws.com/skip-pod-identity-webhook', operator: 'DoesNotExist' },
      ],
    },
  })
  expect(webhookServiceNames('aws')).toContain('podrole-webhook.aws.svc')
  const documents = parseAllDocuments(toYaml(objects)).map((document): unknown => document.toJSON())
  expect(documents).toEqual(JSON.parse(JSON.stringify(objects)))
})

test('the arguments in the manifests are ones that the webhook takes', () => {
  const objects = webhookManifests({ image: 'i', identitiesConfigMap: 'x' })
  const deployment = objects.find(({ kind }) => kind === 'Deployment') as never as {
    spec: { template: { spec: { containers: { args: string[] }[] } } }
  }
  const [command, ...flags] = deployment.spec.template.spec.containers[0]?.args ?? []
  expect(command).toBe('webhook')
  const entries = flags.map((flag) => flag.replace(/^--/, '').split('=') as [string, string])
  expect(parseWebhookConfig(Object.fromEntries(entries))).toMatchObject({
    port: 8443,
    tlsCert: '/etc/podrole/certificate/tls.crt',
    watchContainerCredentialsConfig: '/etc/podrole/identities/identities.json',
  })
})

test('a webhook outside the cluster: nothing is deployed', () => {
  const objects = webhookManifests({ image: 'i', url: 'https://192.0.2.1:8443' })
  expect(objects.map(({ kind }) => kind)).toEqual([
    'Namespace',
    'ServiceAccount',
    'ClusterRole',
    'ClusterRoleBinding',
    'MutatingWebhookConfiguration',
  ])
  expect(JSON.stringify(objects.at(-1))).toContain('"url":"https://192.0.2.1:8443/mutate"')
})

test('settings: names of either form, texts or values, every fault at once', () => {
  expect(
    parseWebhookConfig({
      tokenExpiration: '60',
      'sts-regional-endpoint': 'true',
      'token-mount-path': '/mnt/',
      serviceAccountLookupGracePeriod: '250ms',
      awsDefaultRegion: undefined,
    }),
  ).toMatchObject({
    tokenExpirationSeconds: 600,
    stsRegionalEndpoint: true,
    tokenMountPath: '/mnt',
    serviceAccountLookupMs: 250,
    containerCredentialsFullUri: 'http://169.254.170.23/v1/credentials',
  })
  const parse = (): unknown =>
    parseWebhookConfig({ port: 'x', 'token-mount-path': 'relative', tokenExpirationn: 1 })
  expect(parse).toThrow(/--port: .*--token-mount-path: .*there is no --token-expirationn/)
})
