import { describe, expect, test } from 'bun:test'
import type { Column } from '../resource-types.ts'
import { NODE_COLUMNS, SERVICE_COLUMNS } from './kubectl-columns.ts'

const row = (columns: readonly Column[], object: object): Record<string, unknown> =>
  Object.fromEntries(
    columns.map((column) => [column.name, column.cell({ metadata: { name: 'x' }, ...object }, 0)]),
  )

describe('columns of services', () => {
  const port = { port: 80, protocol: 'TCP' }
  test.each([
    [{ type: 'ClusterIP', clusterIP: '10.96.0.9', ports: [port] }, '<none>', '80/TCP', '<none>'],
    [
      { type: 'NodePort', ports: [{ ...port, nodePort: 30_000 }, port], selector: { b: 2, a: 1 } },
      '<none>',
      '80:30000/TCP,80/TCP',
      'a=1,b=2',
    ],
    [{ type: 'ExternalName', externalName: 'a.example' }, 'a.example', '<none>', '<none>'],
    [{ type: 'LoadBalancer', ports: [port] }, '<pending>', '80/TCP', '<none>'],
    [
      { type: 'ClusterIP', externalIPs: ['1.2.3.4', '1.2.3.5'] },
      '1.2.3.4,1.2.3.5',
      '<none>',
      '<none>',
    ],
  ])('%j', (spec, external, ports, selector) => {
    expect(row(SERVICE_COLUMNS, { spec })).toMatchObject({
      'External-IP': external,
      'Port(s)': ports,
      Selector: selector,
    })
  })

  test('a load balancer shows what it was given', () => {
    const status = { loadBalancer: { ingress: [{ hostname: 'lb.example' }] } }
    const shown = row(SERVICE_COLUMNS, { spec: { type: 'LoadBalancer' }, status })
    expect(shown['External-IP']).toBe('lb.example')
  })
})

describe('columns of nodes', () => {
  test.each([
    ['True', false, 'Ready'],
    ['False', false, 'NotReady'],
    ['True', true, 'Ready,SchedulingDisabled'],
    ['Unknown', true, 'NotReady,SchedulingDisabled'],
  ])('Ready=%s, unschedulable=%p', (status, unschedulable, shown) => {
    const node = { spec: { unschedulable }, status: { conditions: [{ type: 'Ready', status }] } }
    expect(row(NODE_COLUMNS, node)['Status']).toBe(shown)
  })

  test('roles and addresses', () => {
    const node = {
      metadata: {
        name: 'n',
        labels: { 'node-role.kubernetes.io/b': '', 'node-role.kubernetes.io/a': '' },
      },
      status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }] },
    }
    expect(row(NODE_COLUMNS, node)).toMatchObject({
      Roles: 'a,b',
      'Internal-IP': '127.0.0.1',
      'External-IP': '<none>',
      'OS-Image': '<unknown>',
    })
  })
})
