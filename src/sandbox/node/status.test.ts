import { expect, test } from 'bun:test'
import { type ContainerView, phaseOf, podStatus, type PodView } from './status.ts'
import cases from './testdata/phases.json'

const states: Readonly<Record<string, ContainerView['state']>> = {
  waiting: { waiting: { reason: 'ContainerCreating' } },
  running: { running: {} },
  done: { terminated: { exitCode: 0 } },
  failed: { terminated: { exitCode: 1 } },
}

/** `main:waiting`; `main:waiting again` has ended once before. */
function containerOf(text: string, index: number): ContainerView {
  const [kind = '', rest = ''] = text.split(':')
  const [state = '', again] = rest.split(' ')
  return {
    container: { name: `c${index}` },
    kind: kind as ContainerView['kind'],
    state: states[state]!,
    ...(again !== undefined && { lastState: states['failed']! }),
    restartCount: again === undefined ? 0 : 1,
    isReady: state === 'running',
    isStarted: state === 'running',
  }
}

const viewOf = (containers: string[], restartPolicy: string, isEnding = false): PodView => ({
  pod: { metadata: { name: 'p' }, spec: { restartPolicy, containers: [] } },
  containers: containers.map(containerOf),
  startTime: 's',
  now: 'now',
  podIp: '127.1.0.2',
  hostIp: '127.0.0.1',
  isEnding,
})

test.each(cases)('$policy, ending $ending: $containers is $phase', (one) => {
  expect(phaseOf(viewOf(one.containers, one.policy, one.ending)) as string).toBe(one.phase)
})

test('conditions tell since when they hold', () => {
  const before = podStatus({ ...viewOf(['main:waiting'], 'Always'), now: 'first' }, undefined)
  const after = podStatus(viewOf(['main:running'], 'Always'), before)
  expect(after.conditions).toMatchObject([
    { type: 'PodScheduled', status: 'True', lastTransitionTime: 'first' },
    { type: 'Initialized', status: 'True', lastTransitionTime: 'first' },
    { type: 'ContainersReady', status: 'True', lastTransitionTime: 'now' },
    { type: 'Ready', status: 'True', lastTransitionTime: 'now' },
  ])
  expect(before.conditions?.at(-1)).toMatchObject({
    status: 'False',
    reason: 'ContainersNotReady',
    message: 'containers with unready status: [c0]',
  })
})
