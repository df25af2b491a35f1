import { beforeEach, expect, test } from 'bun:test'
import { openSqlite } from '../associations/sqlite.ts'
import { ASSOCIATION_MIGRATIONS } from '../associations/store-sqlite.ts'
import { jwksOf } from '../issuer/documents.ts'
import { generateSigningKey, type SigningKey } from '../issuer/keys.ts'
import { ManualClock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'
import type { Jwks } from '../token/jwks.ts'
import { createFollowedClusters, type FollowedClusters } from './followed-clusters.ts'
import {
  BROKER_MIGRATIONS,
  type BrokerStore,
  createBrokerStore,
  type RegisteredCluster,
} from './store.ts'

const keys = await Promise.all([1, 2, 3].map(() => generateSigningKey('ES256')))
const [first, second, third] = keys as [SigningKey, SigningKey, SigningKey]
const ISSUER = 'https://idp.example.com/c1'

let clock: ManualClock
let store: BrokerStore
let lines: string[]
/** What issuers publish; one that is not there cannot be read. */
let published: Map<string, Jwks>
let meanwhile: () => Promise<void>
let followed: FollowedClusters

beforeEach(async () => {
  clock = new ManualClock()
  lines = []
  published = new Map([[ISSUER, jwksOf([first])]])
  meanwhile = async () => undefined
  const database = await openSqlite(':memory:', [...ASSOCIATION_MIGRATIONS, ...BROKER_MIGRATIONS])
  store = createBrokerStore(database)
  followed = createFollowedClusters({
    store,
    clock,
    log: createLog('info', { write: (line) => lines.push(line) }),
    readIssuerKeys: async (issuer) => {
      await meanwhile()
      const found = published.get(issuer)
      if (found === undefined) throw new PodroleError('IssuerUnreachable', `${issuer} is down`)
      return found
    },
  })
  await store.putCluster(cluster('edge'))
})

const cluster = (name: string, change: Partial<RegisteredCluster> = {}): RegisteredCluster => ({
  name,
  arn: `arn:aws:podrole:eu-west-1:111122223333:cluster/${name}`,
  issuer: ISSUER,
  jwks: JSON.stringify(jwksOf([first])),
  audiences: ['pods.eks.amazonaws.com'],
  agents: ['podrole-system/podrole-agent'],
  followsIssuer: true,
  createdAtMs: clock.now(),
  modifiedAtMs: clock.now(),
  ...change,
})

/** The kids that tokens of a cluster may have. */
async function kidsOf(name: string): Promise<readonly unknown[]> {
  const { jwks = '{"keys":[]}' } = (await store.getCluster(name)) ?? {}
  return (JSON.parse(jwks) as Jwks).keys.map(({ kid }) => kid)
}

test('keys come with what the issuer publishes and go with it, through a whole rotation', async () => {
  await followed.look()
  expect([await kidsOf('edge'), lines]).toEqual([[first.kid], []])
  published.set(ISSUER, jwksOf([first, second]))
  clock.advance(5000)
  await followed.look()
  expect(await kidsOf('edge')).toEqual([first.kid, second.kid])
  expect((await store.getCluster('edge'))?.modifiedAtMs).toBe(clock.now())
  published.set(ISSUER, jwksOf([second]))
  await followed.look()
  expect(await kidsOf('edge')).toEqual([second.kid])
  expect(lines).toHaveLength(2)
  expect(followed.counts()).toEqual({ read: 1, failed: 0 })
})

test('a cluster that was registered with its keys keeps them', async () => {
  await store.putCluster(cluster('fixed', { followsIssuer: false, issuer: 'https://other' }))
  published.set('https://other', jwksOf([third]))
  await followed.look()
  expect(await kidsOf('fixed')).toEqual([first.kid])
})

test('what cannot be read, or verifies nothing, leaves the keys; each fault is told of once', async () => {
  await store.putCluster(cluster('other', { issuer: 'https://other', jwks: '{"keys":[]}' }))
  published.set('https://other', jwksOf([third]))
  published.delete(ISSUER)
  await followed.look()
  await followed.look()
  expect([await kidsOf('edge'), await kidsOf('other')]).toEqual([[first.kid], [third.kid]])
  expect(followed.counts()).toEqual({ read: 1, failed: 1 })
  published.set(ISSUER, { keys: [] })
  await followed.look()
  expect(await kidsOf('edge')).toEqual([first.kid])
  const warned = lines.filter((line) => line.includes('not replaced'))
  expect(warned.map((line) => (JSON.parse(line) as { code: string }).code)).toEqual([
    'IssuerUnreachable',
    'InvalidJwks',
  ])
})

test('a key that another cluster has under the same issuer is not taken', async () => {
  const twin = { jwks: JSON.stringify(jwksOf([second])), followsIssuer: false }
  await store.putCluster(cluster('twin', twin))
  published.set(ISSUER, jwksOf([first, second]))
  await followed.look()
  expect(await kidsOf('edge')).toEqual([first.kid])
  expect(lines.join('')).toContain('cluster twin has')
})

test('a cluster that was registered anew while its issuer was asked is left alone', async () => {
  published.set(ISSUER, jwksOf([second]))
  meanwhile = async () => {
    clock.advance(1)
    await store.putCluster(
      cluster('edge', { jwks: JSON.stringify(jwksOf([third])), followsIssuer: false }),
    )
  }
  await followed.look()
  expect(await kidsOf('edge')).toEqual([third.kid])
  await store.putCluster(cluster('edge'))
  meanwhile = async () => void (await store.deleteCluster('edge'))
  await followed.look()
  expect(await store.getCluster('edge')).toBeUndefined()
  expect(lines).toEqual([])
})
