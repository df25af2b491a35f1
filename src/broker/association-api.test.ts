import { beforeEach, describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { openSqlite } from '../associations/sqlite.ts'
import { ASSOCIATION_MIGRATIONS, createSqliteStore } from '../associations/store-sqlite.ts'
import { ManualClock } from '../lib/clock.ts'
import {
  type AssociationRouteOptions,
  associationRoutes,
  type AssociationRoutes,
} from './association-api.ts'
import { EksFault } from './eks-wire.ts'

const clock = new ManualClock(1_767_225_600_123)
const BASE = '/clusters/prod/pod-identity-associations'
const role = 'arn:aws:iam::111122223333:role/worker'
const good = { namespace: 'shop', serviceAccount: 'worker', roleArn: role }

let routes: AssociationRoutes
const checked: unknown[] = []

async function makeRoutes(
  options: Partial<AssociationRouteOptions> = {},
): Promise<AssociationRoutes> {
  return associationRoutes({
    store: createSqliteStore(await openSqlite(':memory:', ASSOCIATION_MIGRATIONS)),
    clock,
    findCluster: (name) =>
      Promise.resolve(
        name === 'prod' || name === 'test'
          ? { name, arn: `arn:aws:eks:eu-west-1:111122223333:cluster/${name}` }
          : undefined,
      ),
    checkRole: (question) => {
      checked.push(question)
      if (!question.roleArn.endsWith('role/distrustful')) return Promise.resolve()
      throw new EksFault(
        'InvalidParameterException',
        'Trust policy of the role provided is invalid',
      )
    },
    ...options,
  })
}

beforeEach(async () => {
  routes = await makeRoutes()
  checked.length = 0
})

interface Answer {
  readonly status: number
  readonly error: string | null
  readonly requestId: string | null
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are compared with toMatchObject
  readonly body: any
}

async function send(method: string, path: string, body?: unknown): Promise<Answer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const response = await routes(
    new Request(`http://127.0.0.1${path}`, { method, ...(body !== undefined && { body: text }) }),
  )
  if (response === undefined) throw new Error(`no route for ${method} ${path}`)
  expect(response.headers.get('content-type')).toBe('application/json')
  return {
    status: response.status,
    error: response.headers.get('x-amzn-errortype'),
    requestId: response.headers.get('x-amzn-requestid'),
    body: await response.json(),
  }
}

describe('an association on the wire', () => {
  test('is created, described, listed, updated and deleted', async () => {
    const created = await send('POST', BASE, { ...good, tags: { team: 'a' } })
    expect(created.status).toBe(200)
    expect(created.error).toBeNull()
    expect(created.requestId).toMatch(/^[0-9a-f-]{36}$/)
    const { association } = created.body
    expect(association).toEqual({
      clusterName: 'prod',
      ...good,
      associationId: expect.stringMatching(/^a-[a-z0-9]{17}$/),
      associationArn: `arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod/${association.associationId}`,
      disableSessionTags: false,
      tags: { team: 'a' },
      createdAt: 1_767_225_600.123,
      modifiedAt: 1_767_225_600.123,
    })
    const path = `${BASE}/${association.associationId}`
    expect((await send('GET', path)).body).toEqual({ association })
    expect((await send('GET', BASE)).body).toEqual({
      associations: [
        {
          clusterName: 'prod',
          namespace: 'shop',
          serviceAccount: 'worker',
          associationId: association.associationId,
          associationArn: association.associationArn,
        },
      ],
    })
    clock.advance(1000)
    const updated = await send('POST', path, { roleArn: `${role}2` })
    expect(updated.body.association).toEqual({
      ...association,
      roleArn: `${role}2`,
      modifiedAt: association.modifiedAt + 1,
    })
    expect((await send('DELETE', path)).body).toEqual(updated.body)
    expect(await send('GET', path)).toMatchObject({
      status: 404,
      error: 'ResourceNotFoundException',
      body: { clusterName: 'prod' },
    })
    expect((await send('DELETE', path)).status).toBe(404)
    expect((await send('GET', BASE)).body).toEqual({ associations: [] })
  })

  test('has an external id where it has a target role and no tags, and not otherwise', async () => {
    const targetRoleArn = 'arn:aws:iam::444455556666:role/b'
    const created = await send('POST', BASE, { ...good, targetRoleArn, disableSessionTags: true })
    const { association } = created.body
    expect(association.externalId).toBe('eu-west-1/111122223333/prod/shop/worker')
    const path = `${BASE}/${association.associationId}`
    const tagged = await send('POST', path, { disableSessionTags: false })
    expect(tagged.body.association.externalId).toBeUndefined()
    expect(tagged.body.association.targetRoleArn).toBe(targetRoleArn)
    const cleared = await send('POST', path, { targetRoleArn: '' })
    expect(cleared.body.association.targetRoleArn).toBeUndefined()
  })

  test('keeps its session policy to the letter', async () => {
    const policy =
      '{ "Version": "2012-10-17",\n "Statement": [{"Effect":"Allow","Action":"s3:*","Resource":"*"}] }'
    const created = await send('POST', BASE, { ...good, disableSessionTags: true, policy })
    expect(created.body.association.policy).toBe(policy)
    const path = `${BASE}/${created.body.association.associationId}`
    expect(await send('POST', path, { disableSessionTags: false })).toMatchObject({
      status: 400,
      error: 'InvalidParameterException',
      body: { message: expect.stringContaining('disableSessionTags') },
    })
    const both = await send('POST', path, { disableSessionTags: false, policy: '' })
    expect(both.body.association.policy).toBeUndefined()
  })

  test('nulls and unknown members are as if they were not there', async () => {
    const body = { ...good, tags: null, policy: null, targetRoleArn: null, novelty: { a: 1 } }
    expect((await send('POST', BASE, body)).status).toBe(200)
  })
})

describe('uniqueness and repetition', () => {
  test('the second association of a service account is refused and names the first', async () => {
    const { body } = await send('POST', BASE, good)
    const again = await send('POST', BASE, { ...good, roleArn: `${role}2` })
    expect(again).toMatchObject({
      status: 409,
      error: 'ResourceInUseException',
      body: { message: `Association already exists: ${body.association.associationId}` },
    })
    expect((await send('POST', BASE.replace('prod', 'test'), good)).status).toBe(200)
  })

  test('the same request with its client token once more gets the same answer', async () => {
    const request = { ...good, clientRequestToken: 'token-1' }
    const first = await send('POST', BASE, request)
    expect(await send('POST', BASE, request)).toMatchObject({ status: 200, body: first.body })
    expect((await send('POST', BASE, { ...request, clientRequestToken: 'other' })).status).toBe(409)
    expect((await send('POST', BASE, { ...request, roleArn: `${role}2` })).status).toBe(409)
    expect((await send('POST', BASE, good)).status).toBe(409)
  })

  test('twenty times at once it is one association', async () => {
    const request = { ...good, clientRequestToken: 'token-1' }
    const answers = await Promise.all(Array.from({ length: 20 }, () => send('POST', BASE, request)))
    expect(new Set(answers.map((answer) => answer.body.association.associationId)).size).toBe(1)
    const others = await Promise.all(
      Array.from({ length: 5 }, () => send('POST', BASE, { ...good, serviceAccount: 'b' })),
    )
    expect(others.map((answer) => answer.status).toSorted((a, b) => a - b)).toEqual([
      200, 409, 409, 409, 409,
    ])
  })
})

describe('pages', () => {
  test('hold at most maxResults and lead through all', async () => {
    for (let n = 0; n < 7; n += 1) await send('POST', BASE, { ...good, serviceAccount: `w${n}` })
    const seen: string[] = []
    const sizes: number[] = []
    let nextToken: string | undefined
    do {
      const query = `?maxResults=3${nextToken === undefined ? '' : `&nextToken=${nextToken}`}`
      const { body } = await send('GET', BASE + query)
      sizes.push(body.associations.length)
      seen.push(...body.associations.map((one: { serviceAccount: string }) => one.serviceAccount))
      nextToken = body.nextToken
    } while (nextToken !== undefined)
    expect(sizes).toEqual([3, 3, 1])
    expect(seen.sort()).toEqual(['w0', 'w1', 'w2', 'w3', 'w4', 'w5', 'w6'])
  })

  test('the last full page has no token', async () => {
    for (const serviceAccount of ['a', 'b']) await send('POST', BASE, { ...good, serviceAccount })
    expect((await send('GET', `${BASE}?maxResults=2`)).body.nextToken).toBeUndefined()
  })

  test('are filtered', async () => {
    await send('POST', BASE, good)
    await send('POST', BASE, { ...good, namespace: 'other' })
    const { body } = await send('GET', `${BASE}?namespace=shop&serviceAccount=worker`)
    expect(body.associations).toHaveLength(1)
    expect((await send('GET', `${BASE}?namespace=none`)).body.associations).toEqual([])
  })

  for (const query of [
    'maxResults=0',
    'maxResults=101',
    'maxResults=x',
    'maxResults=-1',
    'nextToken=abc',
    `nextToken=${Buffer.from("a-1' or 1=1").toString('base64url')}`,
  ]) {
    test(`${query} is refused`, async () => {
      expect(await send('GET', `${BASE}?${query}`)).toMatchObject({
        status: 400,
        error: 'InvalidParameterException',
      })
    })
  }
})

describe('faults', () => {
  const cases: [string, string, string, unknown, number, string, string][] = [
    [
      'an unknown cluster',
      'POST',
      '/clusters/none/pod-identity-associations',
      good,
      404,
      'ResourceNotFoundException',
      'No cluster found for name: none.',
    ],
    [
      'a wrong type',
      'POST',
      BASE,
      { ...good, namespace: 7, tags: { a: 1 } },
      400,
      'InvalidParameterException',
      'namespace',
    ],
    [
      'a list of tags',
      'POST',
      BASE,
      { ...good, tags: [] },
      400,
      'InvalidParameterException',
      'tags',
    ],
    [
      'a text for a boolean',
      'POST',
      BASE,
      { ...good, disableSessionTags: 'true' },
      400,
      'InvalidParameterException',
      'disableSessionTags',
    ],
    ['no JSON', 'POST', BASE, '{', 400, 'InvalidParameterException', 'not JSON'],
    ['a JSON list', 'POST', BASE, '[]', 400, 'InvalidParameterException', 'not a JSON object'],
    ['no body', 'POST', BASE, undefined, 400, 'InvalidParameterException', 'serviceAccount'],
    [
      'a long body',
      'POST',
      BASE,
      `"${'a'.repeat(200_000)}"`,
      400,
      'InvalidParameterException',
      'at most',
    ],
    [
      'several at once',
      'POST',
      BASE,
      { namespace: 'A', serviceAccount: '', roleArn: 'x' },
      400,
      'InvalidParameterException',
      'namespace "A"',
    ],
    [
      'a role of another account',
      'POST',
      BASE,
      { ...good, roleArn: 'arn:aws:iam::999900001111:role/x' },
      400,
      'InvalidParameterException',
      'another account',
    ],
    [
      'a role that does not trust',
      'POST',
      BASE,
      { ...good, roleArn: 'arn:aws:iam::111122223333:role/distrustful' },
      400,
      'InvalidParameterException',
      'Trust policy of the role provided is invalid',
    ],
    [
      'an unknown id',
      'GET',
      `${BASE}/a-00000000000000000`,
      undefined,
      404,
      'ResourceNotFoundException',
      'a-00000000000000000',
    ],
    [
      'an id that is none',
      'DELETE',
      `${BASE}/x%2Fy`,
      undefined,
      404,
      'ResourceNotFoundException',
      'x/y',
    ],
  ]
  for (const [name, method, path, body, status, error, words] of cases) {
    test(name, async () => {
      routes = await makeRoutes({ roleInClusterAccount: true })
      const answer = await send(method, path, body)
      expect(answer).toMatchObject({ status, error })
      expect(answer.body.message).toContain(words)
      expect((await send('GET', BASE)).body.associations).toEqual([])
    })
  }

  test('a role is checked when it changes, and only then', async () => {
    const { body } = await send('POST', BASE, good)
    const path = `${BASE}/${body.association.associationId}`
    await send('POST', path, { disableSessionTags: true })
    expect(checked).toHaveLength(1)
    const distrustful = { roleArn: 'arn:aws:iam::111122223333:role/distrustful' }
    expect((await send('POST', path, distrustful)).status).toBe(400)
    expect((await send('GET', path)).body.association.roleArn).toBe(role)
  })

  test('a full cluster takes no more', async () => {
    routes = await makeRoutes({ maxPerCluster: 5, countAssociations: () => Promise.resolve(5) })
    expect(await send('POST', BASE, good)).toMatchObject({
      status: 400,
      error: 'ResourceLimitExceededException',
    })
  })

  test('a store that fails is a ServerException that tells nothing', async () => {
    routes = await makeRoutes({
      findCluster: () => Promise.reject(new Error('secret connection string')),
    })
    const answer = await send('GET', BASE)
    expect(answer).toMatchObject({ status: 500, error: 'ServerException' })
    expect(JSON.stringify(answer.body)).not.toContain('secret')
  })

  test('other paths and methods are left to others', async () => {
    for (const [method, path] of [
      ['GET', '/clusters/prod'],
      ['GET', '/clusters/prod/access-entries'],
      ['PUT', BASE],
      ['GET', `${BASE}/a/b`],
      ['GET', '/x'],
      ['GET', '/clusters/%ff/pod-identity-associations'],
    ] as const) {
      expect(await routes(new Request(`http://127.0.0.1${path}`, { method }))).toBeUndefined()
    }
  })

  test('whatever the body is, the answer is one of the API', async () => {
    const scale = Number(process.env['PODROLE_TEST_SCALE'] ?? 1)
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.json(),
          fc.string({ unit: 'binary' }),
          fc.record({ namespace: fc.anything(), tags: fc.anything(), roleArn: fc.string() }),
        ),
        async (body) => {
          const { status, error } = await send('POST', BASE, body ?? '')
          expect([status, error]).toEqual([400, 'InvalidParameterException'])
        },
      ),
      { numRuns: Math.ceil(200 * scale) },
    )
  })
})
