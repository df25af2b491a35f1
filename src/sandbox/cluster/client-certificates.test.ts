import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createCertificateAuthority, type CertificateAuthority } from '../../lib/certificates.ts'
import { systemClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { State } from '../state.ts'
import type { Json } from './cluster.suite.ts'
import { type ServedCluster, startCluster } from './cluster.ts'

let authority: CertificateAuthority
let cluster: ServedCluster
const state = new State()

beforeAll(async () => {
  authority = await createCertificateAuthority({ commonName: 'test' })
  cluster = await start()
})
afterAll(() => cluster.stop())

const start = (): Promise<ServedCluster> =>
  startCluster({
    name: 'one',
    issuer: 'https://cluster.issuer.sandbox/one',
    state,
    clock: systemClock,
    log: silentLog,
    authority,
  })

interface Identity {
  readonly cert?: string
  readonly key?: string
  readonly token?: string
}

async function whoami(at: ServedCluster, { cert, key, token }: Identity): Promise<[number, Json]> {
  const response = await fetch(`${at.server}/apis/authentication.k8s.io/v1/selfsubjectreviews`, {
    method: 'POST',
    body: '{}',
    keepalive: false,
    proxy: '',
    tls: { ca: at.certificateAuthority, ...(cert && key && { cert, key }) },
    headers: {
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    signal: AbortSignal.timeout(10_000),
  })
  const body: Json = await response.json()
  return [response.status, body.status?.userInfo ?? body.reason]
}

const identityOf = (kubeconfig: string): Identity => {
  const [{ user }] = JSON.parse(kubeconfig).users
  const read = (field: string): string => Buffer.from(user[field], 'base64').toString()
  return { cert: read('client-certificate-data'), key: read('client-key-data') }
}

describe('client certificates', () => {
  test('name the user and the groups, before any token', async () => {
    const config = await cluster.certificateKubeconfig('jane, ö', ['team', 'other=x'])
    const groups = ['team', 'other=x', 'system:authenticated']
    const user = { username: 'jane, ö', groups }
    expect(await whoami(cluster, identityOf(config))).toEqual([201, user])
    const token = cluster.adminToken.reveal()
    expect(await whoami(cluster, { ...identityOf(config), token })).toEqual([201, user])
  })

  test('of others, of the wrong kind or of nobody are worth nothing; a token still counts', async () => {
    const other = await createCertificateAuthority({ commonName: 'one clients' })
    const foreign = await other.issueClient({
      commonName: 'jane',
      organizations: ['system:masters'],
    })
    // Signed by the authority of the server's own certificate, which signs no clients.
    const serving = await authority.issue({ names: ['localhost'], commonName: 'jane' })
    const wrong = await authority.issueClient({ commonName: 'jane' })
    for (const identity of [foreign, serving, wrong]) {
      expect(await whoami(cluster, identity)).toEqual([401, 'Unauthorized'])
    }
    const [status] = await whoami(cluster, { ...foreign, token: cluster.adminToken.reveal() })
    expect(status).toBe(201)
    expect(cluster.decisions().at(-1)?.reason).toStartWith('the client certificate does not verify')
  })

  test('outlive a restart with the same state', async () => {
    const config = await cluster.certificateKubeconfig('kept', [])
    const second = await start()
    const [status, user] = await whoami(second, identityOf(config))
    expect([status, user.username]).toEqual([201, 'kept'])
    await second.stop()
  })
})
