import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { type Json, settle } from '../cluster.suite.ts'
import { makeWorkbench, namesOf, pathOf, PODS_AT, type Workbench } from '../workloads.suite.ts'

const CRONS = pathOf('cronjobs', 'batch/v1')
const JOBS = pathOf('jobs', 'batch/v1')
const MINUTE = 60_000
let bench: Workbench
beforeEach(async () => {
  bench = await makeWorkbench()
})
afterEach(() => bench.cluster.stop())

const make = async (spec: object = {}): Promise<Json> => {
  const made = await bench.create(CRONS, {
    metadata: { name: 'tick' },
    spec: {
      schedule: '*/5 * * * *',
      jobTemplate: {
        metadata: { labels: { from: 'tick' } },
        spec: {
          template: {
            spec: { restartPolicy: 'Never', containers: [{ name: 'app', image: 'app:1' }] },
          },
        },
      },
      ...spec,
    },
  })
  await settle()
  return made
}
const finishAll = async (phase: string): Promise<void> => {
  for (const { metadata } of await bench.list(PODS_AT)) await bench.report(metadata.name, { phase })
}

describe('cron jobs', () => {
  test('make a job when it is due, not before', async () => {
    await make()
    await bench.advance(5 * MINUTE - 1000)
    expect(await bench.list(JOBS)).toEqual([])
    await bench.advance(1000)
    const [job] = await bench.list(JOBS)
    expect(job.metadata).toMatchObject({
      name: `tick-${Date.UTC(2026, 0, 1, 0, 5) / MINUTE}`,
      labels: { from: 'tick' },
      annotations: { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T00:05:00Z' },
      ownerReferences: [{ kind: 'CronJob', name: 'tick', controller: true }],
    })
    const { status } = await bench.get(`${CRONS}/tick`)
    expect(status.lastScheduleTime).toBe('2026-01-01T00:05:00Z')
    expect(namesOf(status.active.map((metadata: Json) => ({ metadata })))).toEqual([
      job.metadata.name,
    ])
    await finishAll('Succeeded')
    const after = (await bench.get(`${CRONS}/tick`)).status
    expect(after.active).toBeUndefined()
    expect(after.lastSuccessfulTime).toBe('2026-01-01T00:05:00Z')
  })

  test('of many missed times only the last one counts', async () => {
    await make()
    await bench.advance(62 * MINUTE)
    const jobs = await bench.list(JOBS)
    expect(namesOf(jobs)).toEqual([`tick-${Date.UTC(2026, 0, 1, 1) / MINUTE}`])
  })

  test('a start that is too late is none', async () => {
    await make({ startingDeadlineSeconds: 60 })
    await bench.advance(8 * MINUTE)
    expect(await bench.list(JOBS)).toEqual([])
  })

  test.each([
    ['Allow', 2],
    ['Forbid', 1],
    ['Replace', 1],
  ])('%s another while one runs: %d', async (concurrencyPolicy, count) => {
    await make({ concurrencyPolicy })
    await bench.advance(5 * MINUTE)
    const [first] = await bench.list(JOBS)
    await bench.advance(5 * MINUTE)
    await bench.play(2)
    const jobs = await bench.list(JOBS)
    expect(jobs).toHaveLength(count)
    const isKept = namesOf(jobs).includes(first.metadata.name)
    expect(isKept).toBe(concurrencyPolicy !== 'Replace')
  })

  test('suspended ones do nothing', async () => {
    await make({ suspend: true })
    await bench.advance(60 * MINUTE)
    expect(await bench.list(JOBS)).toEqual([])
  })

  test('only the last finished jobs are kept', async () => {
    await make({ successfulJobsHistoryLimit: 1 })
    for (let round = 0; round < 3; round += 1) {
      await bench.advance(5 * MINUTE)
      await finishAll('Succeeded')
      await bench.play(2)
    }
    expect(namesOf(await bench.list(JOBS))).toEqual([
      `tick-${Date.UTC(2026, 0, 1, 0, 15) / MINUTE}`,
    ])
  })

  test('the time zone counts', async () => {
    await make({ schedule: '30 9 * * *', timeZone: 'Asia/Kolkata' })
    await bench.advance(4 * 60 * MINUTE)
    expect((await bench.get(`${CRONS}/tick`)).status.lastScheduleTime).toBe('2026-01-01T04:00:00Z')
  })

  test.each([
    [{ schedule: 'often' }, 'expected exactly 5 fields, found 1: [often]'],
    [{ schedule: 'TZ=UTC * * * * *' }, 'cannot use TZ or CRON_TZ in schedule'],
    [{ schedule: '61 * * * *' }, 'above maximum (59)'],
    [{ timeZone: 'Mars/Olympus' }, 'unknown time zone Mars/Olympus'],
    [{ concurrencyPolicy: 'Maybe' }, 'supported values: "Allow", "Forbid", "Replace"'],
    [{ successfulJobsHistoryLimit: -1 }, 'must be greater than or equal to 0'],
    [{ jobTemplate: { spec: {} } }, 'spec.jobTemplate.spec.template.spec.containers'],
  ])('%j is refused', async (spec, says) => {
    const answer = await make(spec)
    expect(answer.code).toBe(422)
    expect(answer.message).toContain(says)
  })
})
