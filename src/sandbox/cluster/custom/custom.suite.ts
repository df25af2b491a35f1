/** What the tests of custom resources share: a definition with a bit of everything. */
import { call, type Json, settle, type TestCluster } from '../cluster.suite.ts'

export const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
export const THINGS = '/apis/example.com/v1/namespaces/default/things'
export const MERGE = { 'content-type': 'application/merge-patch+json' }

const SPEC = {
  type: 'object',
  required: ['size'],
  properties: {
    size: { type: 'integer', minimum: 1, maximum: 9 },
    mode: { type: 'string', enum: ['fast', 'slow'], default: 'slow' },
    code: { type: 'string', pattern: '^[a-z]{2}$' },
    port: { 'x-kubernetes-int-or-string': true },
    note: { type: 'string', nullable: true, maxLength: 5 },
    labels: { type: 'object', additionalProperties: { type: 'string' } },
    open: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    at: { type: 'string', format: 'date-time' },
    list: {
      type: 'array',
      maxItems: 3,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string' }, weight: { type: 'integer', default: 1 } },
      },
    },
    either: {
      type: 'object',
      properties: { a: { type: 'string' }, b: { type: 'string' } },
      oneOf: [{ required: ['a'] }, { required: ['b'] }],
    },
  },
}

/** A custom object's body, which says what it is. */
export const bodyOf = (value: object, kind = 'Thing', version = 'v1'): Json => ({
  apiVersion: `example.com/${version}`,
  kind,
  ...value,
})

export const version = (name: string, more: object = {}): Json => ({
  name,
  served: true,
  storage: name === 'v1',
  subresources: {
    status: {},
    scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size' },
  },
  additionalPrinterColumns: [
    { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
    { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
  selectableFields: [{ jsonPath: '.spec.mode' }],
  schema: {
    openAPIV3Schema: {
      type: 'object',
      properties: {
        spec: SPEC,
        status: {
          type: 'object',
          properties: {
            size: { type: 'integer' },
            conditions: {
              type: 'array',
              items: {
                type: 'object',
                properties: { type: { type: 'string' }, status: { type: 'string' } },
              },
            },
          },
        },
      },
    },
  },
  ...more,
})

export const thing = (spec: object = {}, name = 'things', kind = 'Thing'): Json => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${name}.example.com` },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: {
      plural: name,
      singular: kind.toLowerCase(),
      kind,
      shortNames: name === 'things' ? ['th'] : [],
    },
    versions: [version('v1'), version('v1beta1', { deprecated: true })],
    ...spec,
  },
})

export async function define(cluster: TestCluster, body: Json): Promise<Json> {
  const answer = await call(cluster, 'POST', CRDS, { body })
  if (answer.status !== 201) throw new Error(answer.body.message)
  await settle()
  return answer.body
}
