import { expect, test } from 'bun:test'
import { agentManifests, agentPodSpec, type DaemonSet } from './manifests.ts'

const least = { clusterName: 'prod', region: 'eu-west-1', image: 'podrole:1' }

test('the DaemonSet runs on every node, with no right but port 80', () => {
  const [namespace, serviceAccount, daemonSet] = agentManifests(least)
  expect([namespace?.kind, serviceAccount?.kind, daemonSet?.kind]).toEqual([
    'Namespace',
    'ServiceAccount',
    'DaemonSet',
  ])
  expect(daemonSet?.metadata.namespace).toBe(namespace?.metadata.name ?? '')
  const { template, selector } = (daemonSet as DaemonSet).spec
  expect(template.metadata.labels).toMatchObject(selector.matchLabels)
  const { spec } = template
  expect(spec).toMatchObject({
    hostNetwork: true,
    priorityClassName: 'system-node-critical',
    tolerations: [{ operator: 'Exists' }],
    automountServiceAccountToken: false,
  })
  const [agent] = spec.containers
  expect(agent?.args).toEqual(['agent', '--cluster-name', 'prod', '--region', 'eu-west-1'])
  expect(agent?.securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    runAsUser: 0,
    capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
  })
  expect(agent?.ports).toBeUndefined()
  expect(agent?.livenessProbe.httpGet).toEqual({ host: '127.0.0.1', path: '/healthz', port: 2703 })
  const [init] = spec.initContainers
  expect(init?.args).toEqual(['agent', 'init'])
  expect(init?.securityContext?.['capabilities']).toEqual({ drop: ['ALL'], add: ['NET_ADMIN'] })
  expect(JSON.stringify(daemonSet)).not.toContain('"privileged":true')
  expect(spec.volumes).toEqual([])
})

test('with a broker the pod has a token for it and its CA', () => {
  const spec = agentPodSpec({
    ...least,
    endpoint: 'https://broker.example',
    broker: true,
    caConfigMap: 'ca',
  })
  expect(spec.containers[0]?.args?.slice(5)).toEqual([
    '--endpoint',
    'https://broker.example',
    '--broker-token-file',
    '/var/run/secrets/podrole-broker/token',
    '--ca-file',
    '/etc/podrole/broker-ca/ca.crt',
  ])
  expect(spec.volumes).toEqual([
    {
      name: 'broker-token',
      projected: {
        sources: [
          {
            serviceAccountToken: {
              audience: 'podrole-broker',
              expirationSeconds: 3600,
              path: 'token',
            },
          },
        ],
      },
    },
    { name: 'broker-ca', configMap: { name: 'ca' } },
  ])
  expect(spec.containers[0]?.volumeMounts).toEqual([
    { name: 'broker-token', mountPath: '/var/run/secrets/podrole-broker', readOnly: true },
    { name: 'broker-ca', mountPath: '/etc/podrole/broker-ca', readOnly: true },
  ])
})

test('on loopback and a high port it is no root and makes no link', () => {
  const spec = agentPodSpec({ ...least, bindHosts: ['127.0.0.1'], port: 8080, probePort: 0 })
  expect(spec.initContainers).toEqual([])
  expect(spec.containers[0]?.securityContext).toMatchObject({
    runAsNonRoot: true,
    capabilities: { drop: ['ALL'] },
  })
  expect(spec.containers[0]?.args?.slice(5)).toEqual([
    '--bind-hosts',
    '127.0.0.1',
    '--port',
    '8080',
    '--probe-port',
    '0',
  ])
})
