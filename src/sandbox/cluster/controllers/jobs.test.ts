import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { addNode, call, type Json, settle } from '../cluster.suite.ts'
import {
  makeWorkbench,
  namesOf,
  pathOf,
  sortedTexts,
  PODS_AT,
  type Workbench,
} from '../workloads.suite.ts'

const JOBS = pathOf('jobs', 'batch/v1')
let bench: Workbench
beforeEach(async () => {
  bench = await makeWorkbench()
  await addNode(bench.cluster, 'a')
})
afterEach(() => bench.cluster.stop())

const make = async (spec: object = {}, podSpec: object = {}): Promise<Json> => {
  const job = await bench.create(JOBS, {
    metadata: { name: 'once' },
    spec: {
      template: {
        spec: { restartPolicy: 'Never', containers: [{ name: 'app', image: 'app:1' }], ...podSpec },
      },
      ...spec,
    },
  })
  await settle()
  return job
}
const read = (): Promise<Json> => bench.get(`${JOBS}/once`)
const running = async (): Promise<Json[]> =>
  (await bench.list(PODS_AT)).filter(
    ({ status }) => status.phase !== 'Failed' && status.phase !== 'Succeeded',
  )
const end = async (phase: 'Succeeded' | 'Failed'): Promise<void> => {
  const [pod] = await running()
  const finishedAt = new Date(bench.cluster.clock.now()).toISOString()
  await bench.report(pod.metadata.name, {
    phase,
    containerStatuses: [
      {
        name: 'app',
        ready: false,
        restartCount: 0,
        image: 'app:1',
        imageID: '',
        state: { terminated: { exitCode: phase === 'Failed' ? 1 : 0, finishedAt } },
      },
    ],
  })
}
const conditionsOf = (job: Json): string[] =>
  (job.status.conditions ?? []).map(
    ({ type, status, reason }: Json) => `${type}=${status} ${reason}`,
  )

describe('jobs', () => {
  test('run one pod to its end', async () => {
    const made = await make()
    const uid = made.metadata.uid
    expect(made.spec.selector.matchLabels).toEqual({ 'batch.kubernetes.io/controller-uid': uid })
    expect(made.spec.template.metadata.labels).toMatchObject({
      'job-name': 'once',
      'batch.kubernetes.io/job-name': 'once',
    })
    const [pod] = await bench.list(PODS_AT)
    expect(pod.metadata.finalizers).toEqual(['batch.kubernetes.io/job-tracking'])
    expect((await read()).status).toMatchObject({ active: 1, ready: 0 })
    await end('Succeeded')
    const job = await read()
    expect(conditionsOf(job)).toEqual([
      'SuccessCriteriaMet=True CompletionsReached',
      'Complete=True CompletionsReached',
    ])
    expect(job.status).toMatchObject({ succeeded: 1, uncountedTerminatedPods: {} })
    expect(job.status.completionTime).toBeDefined()
    expect((await bench.list(PODS_AT))[0].metadata.finalizers).toBeUndefined()
  })

  test('completions and parallelism', async () => {
    await make({ completions: 3, parallelism: 2 })
    expect(await running()).toHaveLength(2)
    await end('Succeeded')
    expect(await running()).toHaveLength(2)
    await end('Succeeded')
    expect(await running()).toHaveLength(1)
    await end('Succeeded')
    expect((await read()).status).toMatchObject({ succeeded: 3 })
    expect(conditionsOf(await read())).toContain('Complete=True CompletionsReached')
    expect(await bench.list(PODS_AT)).toHaveLength(3)
  })

  test('a failed pod is tried again later, twice as late each time, until the limit', async () => {
    await make({ backoffLimit: 2 })
    await end('Failed')
    expect(await running()).toHaveLength(0)
    await bench.advance(9000)
    expect(await running()).toHaveLength(0)
    await bench.advance(1000)
    expect(await running()).toHaveLength(1)
    await end('Failed')
    await bench.advance(19_000)
    expect(await running()).toHaveLength(0)
    await bench.advance(1000)
    await end('Failed')
    const job = await read()
    expect(job.status.failed).toBe(3)
    expect(conditionsOf(job)).toEqual([
      'FailureTarget=True BackoffLimitExceeded',
      'Failed=True BackoffLimitExceeded',
    ])
  })

  test('a pod that is deleted counts as failed once', async () => {
    await make({ backoffLimit: 3 })
    const [pod] = await bench.list(PODS_AT)
    await bench.remove(`${PODS_AT}/${pod.metadata.name}`)
    await bench.play(2)
    expect((await read()).status.failed).toBe(1)
    expect(namesOf(await bench.list(PODS_AT))).not.toContain(pod.metadata.name)
  })

  test('a pod that is deleted is replaced later, though it is gone', async () => {
    await make()
    const [pod] = await bench.list(PODS_AT)
    await bench.remove(`${PODS_AT}/${pod.metadata.name}`)
    await bench.play(2)
    await bench.advance(9000)
    expect(await bench.list(PODS_AT)).toEqual([])
    await bench.advance(1000)
    expect(await running()).toHaveLength(1)
  })

  test('an end that was named and not counted before a stop counts once', async () => {
    await make({ completions: 2, parallelism: 1, suspend: true })
    const uncountedTerminatedPods = { succeeded: ['a'], failed: ['b'] }
    await bench.patch(`${JOBS}/once/status`, { status: { uncountedTerminatedPods } })
    await settle()
    const { status } = await read()
    expect(status).toMatchObject({ succeeded: 1, failed: 1, uncountedTerminatedPods: {} })
  })

  test('of a number the last failure counts, and each number waits for itself', async () => {
    await make({
      completionMode: 'Indexed',
      completions: 2,
      parallelism: 2,
      backoffLimitPerIndex: 1,
    })
    const failuresOf = (pods: Json[]): string[] =>
      pods.map(
        ({ metadata: { annotations } }) =>
          `${annotations['batch.kubernetes.io/job-completion-index']}: ${annotations['batch.kubernetes.io/job-index-failure-count']}`,
      )
    expect(failuresOf(await running())).toEqual(['0: 0', '1: 0'])
    await end('Failed')
    await bench.advance(5000)
    await end('Failed')
    await bench.advance(5000)
    expect(failuresOf(await running())).toEqual(['0: 1'])
    await bench.advance(5000)
    expect(failuresOf(await running())).toEqual(['0: 1', '1: 1'])
    await end('Failed')
    expect((await read()).status).toMatchObject({ failed: 3, failedIndexes: '0', active: 1 })
    await end('Succeeded')
    expect(conditionsOf(await read())).toContain('Failed=True FailedIndexes')
  })

  test('restarts count where the pod restarts itself', async () => {
    await make({ backoffLimit: 1 }, { restartPolicy: 'OnFailure' })
    const [pod] = await running()
    await bench.report(pod.metadata.name, {
      phase: 'Running',
      containerStatuses: [
        { name: 'app', ready: true, restartCount: 1, image: 'app:1', imageID: '' },
      ],
    })
    await bench.play(2)
    expect(conditionsOf(await read())).toContain('Failed=True BackoffLimitExceeded')
  })

  test('ends at its deadline, and goes when its time is over', async () => {
    await make({ activeDeadlineSeconds: 60, ttlSecondsAfterFinished: 100 })
    await bench.play(1)
    await bench.advance(59_000)
    expect(conditionsOf(await read())).toEqual([])
    await bench.advance(1000)
    expect(conditionsOf(await read())).toEqual(['FailureTarget=True DeadlineExceeded'])
    await bench.play(2)
    expect(conditionsOf(await read())).toContain('Failed=True DeadlineExceeded')
    await bench.advance(99_000)
    expect((await read()).kind).toBe('Job')
    await bench.advance(1000)
    await bench.play(2)
    expect((await read()).code).toBe(404)
  })

  test('Indexed: a pod for each number', async () => {
    await make({ completionMode: 'Indexed', completions: 3, parallelism: 3 })
    const pods = await bench.list(PODS_AT)
    const marks = pods.map(
      ({ metadata }) => metadata.annotations['batch.kubernetes.io/job-completion-index'],
    )
    expect(sortedTexts(marks)).toEqual(['0', '1', '2'])
    expect(pods[0].spec.hostname).toBe('once-0')
    expect(pods[0].spec.containers[0].env[0].name).toBe('JOB_COMPLETION_INDEX')
    await end('Succeeded')
    expect((await read()).status).toMatchObject({ succeeded: 1, completedIndexes: '0' })
    await end('Succeeded')
    await end('Succeeded')
    expect((await read()).status.completedIndexes).toBe('0-2')
  })

  test('suspend ends the pods, resume makes new ones', async () => {
    await make()
    await bench.patch(`${JOBS}/once`, { spec: { suspend: true } })
    await bench.play(2)
    expect(await running()).toHaveLength(0)
    expect(conditionsOf(await read())).toEqual(['Suspended=True JobSuspended'])
    expect((await read()).status).not.toContainAnyKeys(['startTime', 'failed'])
    await bench.patch(`${JOBS}/once`, { spec: { suspend: false } })
    await bench.advance(60_000)
    expect(conditionsOf(await read())).toEqual(['Suspended=False JobResumed'])
    expect(await running()).toHaveLength(1)
  })

  test('a delete leaves the pods, unless told otherwise', async () => {
    await make()
    await bench.remove(`${JOBS}/once`)
    await settle()
    expect(await bench.list(PODS_AT)).toHaveLength(1)
    await make()
    await call(bench.cluster, 'DELETE', `${JOBS}/once?propagationPolicy=Background`)
    await bench.play(2)
    expect(await bench.list(PODS_AT)).toHaveLength(1)
  })
})

describe('jobs are refused', () => {
  test.each([
    [
      {},
      { restartPolicy: 'Always' },
      'restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
    [
      { completions: -1 },
      {},
      'spec.completions: Invalid value: -1: must be greater than or equal to 0',
    ],
    [{ completionMode: 'Indexed', parallelism: 1 }, {}, 'when completion mode is Indexed'],
    [{ completionMode: 'Each' }, {}, 'supported values: "NonIndexed", "Indexed"'],
  ])('%j %j', async (spec, podSpec, says) => {
    const answer = await make(spec, podSpec)
    expect(answer.code).toBe(422)
    expect(answer.message).toContain(says)
  })

  test('a template that changes', async () => {
    await make()
    const containers = [{ name: 'app', image: 'app:2' }]
    const changed = await bench.patch(`${JOBS}/once`, {
      spec: { template: { spec: { containers } } },
    })
    expect(changed.message).toContain('field is immutable')
  })
})
