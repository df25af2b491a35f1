import { describe, expect, test } from 'bun:test'
import type { Container, Pod } from '../../kube/objects.ts'
import {
  expandReferences,
  readField,
  resolveEnvironment,
  type ValueSources,
} from './environment.ts'

const pod: Pod = {
  metadata: {
    name: 'p',
    namespace: 'n',
    uid: 'u',
    labels: { b: 'two "quoted"', a: 'one' },
    annotations: { 'x/y': 'z' },
  },
  spec: { nodeName: 'node', containers: [] },
  status: { hostIP: '127.0.0.1', podIP: '127.1.0.2' },
}

const sources: ValueSources = {
  configMap: async (name) => (name === 'there' ? { k: 'v', K2: 'w' } : undefined),
  secret: async (name) => (name === 'there' ? { k: 's' } : undefined),
}

const resolve = (container: Partial<Container> & object, base = {}) =>
  resolveEnvironment(pod, { name: 'c', ...container }, base, sources)

describe('references', () => {
  const values = { A: '1', EMPTY: '' }
  test.each([
    ['$(A)', '1'],
    ['x$(A)$(A)y', 'x11y'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$(B)', '$(B)'],
    ['$(EMPTY)', ''],
    ['$(A', '$(A'],
    ['$A', '$A'],
    ['$(constructor)', '$(constructor)'],
  ])('%s is %s', (text, wanted) => {
    expect(expandReferences(text, values)).toBe(wanted)
  })
})

describe('fields', () => {
  test.each([
    ['metadata.name', 'p'],
    ['metadata.namespace', 'n'],
    ['metadata.uid', 'u'],
    ["metadata.labels['a']", 'one'],
    ["metadata.annotations['x/y']", 'z'],
    ["metadata.labels['none']", ''],
    ['metadata.labels', 'a="one"\nb="two \\"quoted\\""'],
    ['spec.nodeName', 'node'],
    ['spec.serviceAccountName', 'default'],
    ['status.podIP', '127.1.0.2'],
  ])('%s', (path, wanted) => {
    expect(readField(pod, path)).toBe(wanted)
  })

  test('no other', () => {
    expect(() => readField(pod, 'spec.containers')).toThrow('"spec.containers"')
  })
})

describe('the environment of a container', () => {
  test('is the base, then envFrom, then env, which refers to what came before', async () => {
    const from = { envFrom: [{ prefix: 'P_', configMapRef: { name: 'there' } }] }
    const env = [
      { name: 'A', value: '$(P_k)-$(BASE)-$(LATER)' },
      { name: 'LATER', value: 'x' },
      { name: 'BASE', value: 'pod' },
    ]
    expect(await resolve({ ...from, env }, { BASE: 'base' })).toEqual({
      BASE: 'pod',
      P_k: 'v',
      P_K2: 'w',
      A: 'v-base-$(LATER)',
      LATER: 'x',
    })
  })

  test.each([
    [{ configMapKeyRef: { name: 'gone', key: 'k' } }, 'configmap "gone" not found'],
    [{ secretKeyRef: { name: 'there', key: 'gone' } }, "couldn't find key gone in secret there"],
    [{ configMapKeyRef: { name: 'there', key: 'constructor' } }, "couldn't find key constructor"],
    [{ resourceFieldRef: { resource: 'limits.cpu' } }, 'does not know'],
  ])('refuses %j', async (valueFrom, message) => {
    const env = [{ name: 'A', valueFrom }] as Container['env']
    await expect(resolve({ env: env! })).rejects.toMatchObject({
      code: 'CreateContainerConfigError',
      message: expect.stringContaining(message),
    })
  })

  test('leaves out what is optional and not there', async () => {
    const valueFrom = { secretKeyRef: { name: 'gone', key: 'k', optional: true } }
    expect(await resolve({ env: [{ name: 'A', valueFrom }] })).toEqual({})
  })

  test.each(['A=B', '', 'A\0'])('refuses the name %p', async (name) => {
    await expect(resolve({ env: [{ name, value: 'x' }] })).rejects.toThrow('cannot be set')
  })
})
