import { beforeEach, describe, expect, test } from 'bun:test'
import {
  ask,
  ASK,
  associate,
  log,
  podToken,
  resetBroker,
  send,
  sts,
  useOptions,
} from './broker.suite.ts'

beforeEach(resetBroker)

describe('what one caller can hold', () => {
  test('one who never finishes a request keeps nobody out', async () => {
    await associate()
    useOptions({ maxConcurrent: 1 })
    const asked = Promise.withResolvers<boolean>()
    const body = new ReadableStream({ pull: () => asked.resolve(true) }, { highWaterMark: 0 })
    const slow = new AbortController()
    const never = send('POST', ASK, { body, signal: slow.signal }).catch(() => undefined)
    await asked.promise
    expect((await ask(await podToken())).status).toBe(200)
    slow.abort()
    void never
  })

  test('the name of an unknown cluster is not repeated at any length', async () => {
    const answer = await ask(await podToken(), undefined, ASK.replace('edge', 'e'.repeat(5000)))
    expect(answer).toMatchObject({ status: 404, error: 'ResourceNotFoundException' })
    expect(answer.body.message.length + log.length).toBeLessThan(2000)
  })

  test('a subject over 255 characters is a warning, or refused where the broker says so', async () => {
    const name = 'n'.repeat(230)
    await associate({ serviceAccount: name })
    const long = await podToken({
      claims: { sub: `system:serviceaccount:shop:${name}` },
      kubernetes: { serviceaccount: { name } },
    })
    expect((await ask(long)).status).toBe(200)
    expect(log).toContain('AWS models 255')
    useOptions({ refuseLongSubjects: true })
    expect(await ask(long)).toMatchObject({ status: 400, error: 'InvalidRequestException' })
    expect(sts.calls).toHaveLength(1)
  })
})
