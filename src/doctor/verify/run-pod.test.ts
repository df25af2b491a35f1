/** What becomes of a pod, over an API server that does what a test says. */
import { describe, expect, test } from 'bun:test'
import type { Pod, PodStatus } from '../../kube/objects.ts'
import { PodroleError } from '../../lib/errors.ts'
import { RUN_LABEL, verifyPod } from './pod.ts'
import { type PodPlaces, removeLeftOvers, runVerifyPod } from './run-pod.ts'

type PodKube = PodPlaces['kube']

const POD = verifyPod({
  serviceAccount: { namespace: 'shop', name: 'orders' },
  image: 'amazon/aws-cli',
  checks: [],
  timeoutMs: 60_000,
  runId: 'run',
  user: undefined,
})
const LOG = 'podrole: provider none\npodrole: no identity: none\npodrole: end\n'

/** Pods in memory, whose status is what `status` says; other calls do what `also` says. */
function fakeKube(status: PodStatus, also: Partial<PodKube> = {}): PodKube & { pods: Pod[] } {
  const pods: Pod[] = []
  const notFound = (): never => {
    throw new PodroleError('NotFound', 'there is none', { status: 404 })
  }
  return {
    pods,
    create: (_type, object) => {
      const name = `podrole-verify-${pods.length}`
      const pod = { ...(object as unknown as Pod), status }
      pods.push({ ...pod, metadata: { ...pod.metadata, name, uid: name } })
      return Promise.resolve(pods.at(-1) as never)
    },
    get: (_type, { name }) =>
      Promise.resolve((pods.find(({ metadata }) => metadata.name === name) ?? notFound()) as never),
    list: (type, { labelSelector } = {}) =>
      Promise.resolve({
        metadata: {},
        items: (type.kind === 'Pod' && labelSelector !== undefined ? [...pods] : []) as never[],
      }),
    delete: (_type, { name }) => {
      const at = pods.findIndex(({ metadata }) => metadata.name === name)
      if (at === -1) notFound()
      pods.splice(at, 1)
      return Promise.resolve()
    },
    raw: () => Promise.resolve(new Response(LOG)),
    ...also,
  }
}

const run = (kube: PodKube, signal = new AbortController().signal, timeoutMs = 1) =>
  runVerifyPod(POD, 0, { kube, signal, timeoutMs })

const container = (state: object): PodStatus => ({
  phase: 'Pending',
  containerStatuses: [
    { name: 'verify', ready: false, restartCount: 0, image: '', imageID: '', state },
  ],
})
const ENDED = container({ terminated: { exitCode: 0, reason: 'Completed' } })

describe('the end of a pod', () => {
  test.each([
    ['what it said', ENDED, { kind: 'ended', exit: 'exit code 0, Completed' }],
    [
      'a sidecar that goes on does not matter',
      { ...ENDED, phase: 'Running' } as const,
      { kind: 'ended' },
    ],
    [
      'past its deadline',
      { phase: 'Failed', reason: 'DeadlineExceeded', message: 'Pod was active too long' } as const,
      { kind: 'no-answer', why: 'DeadlineExceeded Pod was active too long' },
    ],
    [
      'an image that cannot be pulled',
      container({
        waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling \u001b[31mx' },
      }),
      { kind: 'not-started', because: 'image', why: 'ImagePullBackOff: Back-off pulling  [31mx' },
    ],
    [
      'no node',
      {
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', message: '0/3 nodes are available' }],
      } as const,
      { kind: 'not-started', because: 'unschedulable', why: '0/3 nodes are available' },
    ],
  ])('%s', async (_, status, end) => {
    const kube = fakeKube(status as PodStatus)
    expect((await run(kube)).end).toMatchObject(end)
    expect(kube.pods).toEqual([])
  })

  test('a node that took it and did not start it', async () => {
    const kube = fakeKube(container({ waiting: { reason: 'ContainerCreating' } }))
    const { create } = kube
    kube.create = async (type, object) => {
      const pod = await create(type, object)
      Object.assign((pod as unknown as Pod).spec, { nodeName: 'node-1' })
      return pod
    }
    expect((await run(kube)).end).toEqual({
      kind: 'not-started',
      because: 'other',
      why: 'ContainerCreating',
    })
  })

  test('somebody else deletes it', async () => {
    const kube = fakeKube({ phase: 'Running' })
    const { get } = kube
    kube.get = (type, ref) => {
      kube.pods.length = 0
      return get(type, ref)
    }
    expect((await run(kube)).end).toEqual({ kind: 'no-answer', why: 'somebody else deleted it' })
  })

  test('a log that does not end is not read on', async () => {
    const endless = new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(1 << 16)) })
    const kube = fakeKube(ENDED, { raw: () => Promise.resolve(new Response(endless)) })
    expect((await run(kube)).end).toMatchObject({ reading: { kind: 'unreadable' } })
  })
})

describe('it is removed', () => {
  test('although nobody heard that it was made', async () => {
    const kube = fakeKube(ENDED)
    const { create } = kube
    kube.create = async (type, object) => {
      await create(type, object)
      throw new PodroleError('KubeTimeout', 'no answer')
    }
    await expect(run(kube)).rejects.toThrow('no answer')
    expect(kube.pods).toEqual([])
  })

  test('where whoever asked does not wait any more', async () => {
    const kube = fakeKube({ phase: 'Running' })
    const stopping = new AbortController()
    setTimeout(() => stopping.abort(), 20)
    await expect(run(kube, stopping.signal, 60_000)).rejects.toThrow('stopped before')
    expect(kube.pods).toEqual([])
  })

  test('at the second time of asking', async () => {
    const kube = fakeKube(ENDED)
    const remove = kube.delete
    let calls = 0
    kube.delete = (type, ref) => {
      calls += 1
      if (calls === 1) throw new PodroleError('KubeUnreachable', 'not now')
      return remove(type, ref)
    }
    expect((await run(kube)).end.kind).toBe('ended')
    expect(kube.pods).toEqual([])
  })

  test('or the fault says how', async () => {
    const kube = fakeKube(ENDED, {
      delete: () => Promise.reject(new PodroleError('Forbidden', 'you may not', { status: 403 })),
    })
    await expect(run(kube)).rejects.toMatchObject({
      code: 'PodLeft',
      hint: `kubectl delete pod --namespace shop --selector ${RUN_LABEL}=run`,
    })
  })
})

test('a pod that the API server does not take, in its words', async () => {
  const kube = fakeKube(ENDED, {
    create: () =>
      Promise.reject(new PodroleError('Forbidden', 'violates PodSecurity', { status: 403 })),
  })
  expect(await run(kube)).toEqual({
    pod: undefined,
    end: { kind: 'refused', why: 'violates PodSecurity' },
  })
  kube.create = () => Promise.reject(new PodroleError('Unauthorized', 'who', { status: 401 }))
  await expect(run(kube)).rejects.toThrow('who')
})

test('left-overs alone are removed', async () => {
  const kube = fakeKube(ENDED)
  const nowMs = Date.parse('2026-01-01T01:00:00Z')
  for (const at of ['2026-01-01T00:00:00Z', '2026-01-01T00:59:30Z']) {
    await kube.create({ apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespaced: true }, POD)
    Object.assign(kube.pods.at(-1)?.metadata ?? {}, { creationTimestamp: at })
  }
  expect(await removeLeftOvers(kube, 'shop', nowMs)).toEqual(['podrole-verify-0'])
  expect(kube.pods.map(({ metadata }) => metadata.name)).toEqual(['podrole-verify-1'])
})
