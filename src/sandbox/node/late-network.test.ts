import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EVENTS, PODS } from '../../kube/client.ts'
import type { KubeObject, Pod } from '../../kube/objects.ts'
import { type MachineIsolation, probeMachine } from './isolation.ts'
import { LateNetwork } from './late-network.ts'
import type { NodeNetwork } from './network.ts'
import { NAMESPACE, shell, startTestNode, type TestNode, until } from './node.suite.ts'

let machine: MachineIsolation
let bench: TestNode | undefined
const folder = mkdtempSync(join(tmpdir(), 'podrole-late-'))

beforeAll(async () => {
  machine = await probeMachine({ folder: join(folder, 'probe'), network: 'auto', mounts: 'auto' })
})
afterEach(async () => {
  await bench?.stop()
  bench = undefined
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A network that does nothing, with what was asked of it. */
function fakeNetwork(faults: string[] = []): { network: LateNetwork; asked: string[] } {
  const asked: string[] = []
  const opened: NodeNetwork = {
    holder: 7,
    addForward: async (port) => void asked.push(`forward ${port}`),
    probe: async () => asked.push('probe') > 0,
    stop: async () => void asked.push('stop'),
  }
  const network = new LateNetwork(async () => {
    asked.push('open')
    const fault = faults.shift()
    if (fault !== undefined) throw new Error(fault)
    return opened
  })
  return { network, asked }
}

test('opens when it is needed, once, with the ports that were asked for before', async () => {
  const { network, asked } = fakeNetwork()
  await network.addForward(1)
  await network.addForward(2)
  expect(asked).toEqual([])
  expect(() => network.holder).toThrow('not open')
  await Promise.all([network.opened(), network.opened()])
  await network.addForward(3)
  expect(network.holder).toBe(7)
  expect(await network.probe({ url: 'tcp://127.0.0.1:1', timeoutMs: 1 })).toBe(true)
  await network.stop()
  expect(asked).toEqual(['open', 'forward 1', 'forward 2', 'forward 3', 'probe', 'stop'])
})

test('one that could not be opened is tried again, and one that never was has nothing to stop', async () => {
  const { network, asked } = fakeNetwork(['no namespaces today'])
  await expect(network.opened()).rejects.toThrow('no namespaces today')
  await network.addForward(1)
  await network.opened()
  expect(asked).toEqual(['open', 'open', 'forward 1'])
  const other = fakeNetwork()
  await other.network.stop()
  expect(other.asked).toEqual([])
})

test('a node whose machine is known runs pods as another does', async () => {
  bench = await startTestNode({ machine })
  expect(bench.node.isolation).toEqual(machine.isolation)
  await bench.run('hello', { containers: [shell('echo hello; ip -brief address show lo || :')] })
  const { phase, log } = await bench.outcome('hello')
  expect([phase, log.split('\n')[0]]).toEqual(['Succeeded', 'hello'])
  if (machine.isolation.network === 'namespace') expect(log).toContain('169.254.170.23')
})

test('a pod waits for what goes before it; a fault of that is told and tried again', async () => {
  const gate = Promise.withResolvers<void>()
  const asked: string[] = []
  const faults = ['the agent has no port', 'the agent has no port']
  bench = await startTestNode({
    machine,
    timing: { retryMs: 300 },
    beforePod: async ({ metadata }) => {
      asked.push(metadata.name ?? '')
      const fault = metadata.name === 'faulty' ? faults.shift() : undefined
      if (fault !== undefined) throw new Error(fault)
      if (metadata.name !== 'faulty') await gate.promise
    },
  })
  const { client } = bench
  const waitingOf = async (name: string): Promise<unknown> => {
    const { status } = await client.get<Pod>(PODS, { namespace: NAMESPACE, name })
    return status?.containerStatuses?.[0]?.state?.waiting
  }
  await bench.run('waits', { containers: [shell('true')] })
  await bench.run('faulty', { containers: [shell('true')] })
  const events = await until(async () => {
    const { items } = await client.list<KubeObject>(EVENTS, { namespace: NAMESPACE })
    const found = items.filter((event) => Reflect.get(event, 'reason') === 'FailedCreatePodSandBox')
    return found.length > 0 && found
  })
  expect(Reflect.get(events[0] ?? {}, 'message')).toBe('the agent has no port')
  expect(await waitingOf('faulty')).toBeDefined()
  await bench.pod('faulty', ({ status }) => status?.phase === 'Succeeded')
  expect(asked.filter((name) => name === 'faulty')).toHaveLength(3)
  expect(await waitingOf('waits')).toBeDefined()
  // One that is deleted while it waits goes.
  await bench.run('leaves', { containers: [shell('true')] })
  await until(() => asked.includes('leaves'))
  await client.delete(PODS, { namespace: NAMESPACE, name: 'leaves' })
  await until(async () =>
    client.get<Pod>(PODS, { namespace: NAMESPACE, name: 'leaves' }).then(
      () => false,
      () => true,
    ),
  )
  gate.resolve()
  await bench.pod('waits', ({ status }) => status?.phase === 'Succeeded')
})
