import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signRequest } from '../aws/sign.ts'
import { jwksOf } from '../issuer/documents.ts'
import { generateSigningKey } from '../issuer/keys.ts'
import { createCertificateAuthority } from '../lib/certificates.ts'
import { gatherOutside } from '../issuer/outside/gather.ts'
import { createIssuerNames } from '../issuer/outside/issuer-names.ts'
import { judgeOutside } from '../issuer/outside/judge.ts'
import { type Clock, ManualClock, systemClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import type { Jwks } from '../token/jwks.ts'
import { type BrokerConfigInput, placeOf, readBrokerConfig } from './config.ts'
import type { LookOutside } from './fleet-rotation.ts'
import { readAdminKeyFile, type RunningBroker, startBroker } from './start-broker.ts'

const authority = await createCertificateAuthority({ commonName: 'test' })
const clusterKey = await generateSigningKey('ES256')

let folder: string
let running: RunningBroker[] = []
/** That requests are signed by. */
let callersClock: Clock
beforeEach(async () => {
  callersClock = systemClock
  folder = await mkdtemp(join(tmpdir(), 'podrole-broker-'))
  await writeCertificate()
})
afterEach(async () => {
  for (const broker of running.splice(0)) await broker.stop()
  await rm(folder, { recursive: true, force: true })
})

async function writeCertificate(): Promise<void> {
  const { cert, key } = await authority.issue({ names: ['127.0.0.1', 'fleet.example'] })
  await writeFile(join(folder, 'tls.crt'), cert)
  await writeFile(join(folder, 'tls.key'), key)
}

function configInput(): BrokerConfigInput {
  return {
    hostname: '127.0.0.1',
    port: 0,
    certificateFile: join(folder, 'tls.crt'),
    keyFile: join(folder, 'tls.key'),
    databaseFile: join(folder, 'broker.sqlite'),
    issuer: 'https://fleet.example',
    region: 'eu-west-1',
    accountId: '111122223333',
    adminKeyFile: join(folder, 'admin.json'),
  }
}

async function start(change: Partial<BrokerConfigInput> = {}): Promise<RunningBroker> {
  const config = readBrokerConfig({ ...configInput(), ...change })
  const broker = await startBroker(config, {
    clock: systemClock,
    log: silentLog,
    certificateCheckMs: 5,
  })
  running.push(broker)
  return broker
}

async function stopAll(): Promise<void> {
  for (const broker of running.splice(0)) await broker.stop()
}

async function call(broker: RunningBroker, method: string, path: string, body?: unknown) {
  const url = broker.url + path
  const text = body === undefined ? {} : { body: JSON.stringify(body) }
  const headers = await signRequest(
    { method, url, headers: {}, ...text },
    await readAdminKeyFile(join(folder, 'admin.json')),
    { service: 'eks', region: 'eu-west-1', clock: callersClock },
  )
  const response = await fetch(url, {
    method,
    headers,
    ...text,
    tls: { ca: authority.cert },
    proxy: false,
    redirect: 'error',
    signal: AbortSignal.timeout(10_000),
  })
  return { status: response.status, text: await response.text() }
}

describe('a running broker', () => {
  test('has everything after another start', async () => {
    const first = await start()
    const registration = { issuer: 'https://edge.example', jwks: jwksOf([clusterKey]) }
    expect((await call(first, 'PUT', '/podrole/v1/clusters/edge', registration)).status).toBe(201)
    const list = '/clusters/edge/pod-identity-associations'
    const association = {
      namespace: 'shop',
      serviceAccount: 'worker',
      roleArn: 'arn:aws:iam::111122223333:role/r',
    }
    expect((await call(first, 'POST', list, association)).status).toBe(200)
    const paths = ['/podrole/v1/clusters', list, '/podrole/v1/keys', '/keys.json']
    const before = await Promise.all(paths.map((path) => call(first, 'GET', path)))
    expect(before.map((answer) => answer.status)).toEqual([200, 200, 200, 200])
    const key = await readFile(join(folder, 'admin.json'), 'utf8')
    await stopAll()
    const second = await start()
    expect(await Promise.all(paths.map((path) => call(second, 'GET', path)))).toEqual(before)
    expect(await readFile(join(folder, 'admin.json'), 'utf8')).toBe(key)
  })

  test("the admin's key and the database are nobody else's to read", async () => {
    await start()
    for (const file of ['admin.json', 'broker.sqlite']) {
      expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600)
    }
  })

  test('a start that was killed after the key was written goes on from the file', async () => {
    const left = { accessKeyId: `PRBK${'A'.repeat(16)}`, secretAccessKey: 'b'.repeat(40) }
    await writeFile(join(folder, 'admin.json'), JSON.stringify(left))
    expect((await call(await start(), 'GET', '/clusters')).status).toBe(200)
  })

  test('an admin key file that is something else is refused', async () => {
    await writeFile(join(folder, 'admin.json'), '{"accessKeyId":"AKIAIOSFODNN7EXAMPLE"}')
    expect(start()).rejects.toMatchObject({ code: 'InvalidAdminKeyFile' })
  })

  test('serves a new certificate without another start', async () => {
    const broker = await start()
    const serial = async (): Promise<string> => {
      const { connect } = await import('node:tls')
      return new Promise((resolve, reject) => {
        const socket = connect({ host: '127.0.0.1', port: broker.port, ca: authority.cert }, () => {
          resolve(socket.getPeerCertificate().serialNumber)
          socket.destroy()
        })
        socket.on('error', reject)
      })
    }
    const before = await serial()
    await Bun.sleep(20)
    await writeCertificate()
    let after = before
    for (let tries = 0; tries < 400 && after === before; tries += 1) {
      await Bun.sleep(10)
      after = await serial()
    }
    expect(after).not.toBe(before)
  })

  test('does not start without a certificate, or with an issuer that is none', async () => {
    expect(start({ certificateFile: '/none' })).rejects.toMatchObject({ code: 'UnreadableFile' })
    const plain = { ...configInput(), issuer: 'http://fleet.example' }
    expect(() => readBrokerConfig(plain)).toThrow(/issuer/)
  })
})

describe('settings', () => {
  test('are refused with every fault', () => {
    const wrong = { ...configInput(), region: 'X', accountId: '1', listen: 1, sessionSeconds: 1 }
    expect(() => readBrokerConfig(wrong)).toThrow(/region.*accountId.*sessionSeconds.*listen/)
    expect(() => readBrokerConfig({ ...configInput(), partition: 'mars' })).toThrow(/mars/)
  })

  test('fleet tokens go to STS over https alone, but for one on loopback', () => {
    const plain = { ...configInput(), stsEndpoint: 'http://sts.example' }
    expect(() => readBrokerConfig(plain)).toThrow(/stsEndpoint.*https/)
    const near = { ...configInput(), stsEndpoint: 'http://127.0.0.1:4566' }
    expect(readBrokerConfig(near).stsEndpoint).toBe('http://127.0.0.1:4566')
  })

  test("the partition is the region's", () => {
    const china = readBrokerConfig({ ...configInput(), region: 'cn-north-1' })
    expect(placeOf(china).partition).toBe('aws-cn')
  })
})

describe('brokers at one database', () => {
  const clock = new ManualClock(Date.now())
  const names = createIssuerNames()
  names.trust(authority.cert)
  const lookAt: LookOutside = async (keys) => {
    const issuer = 'https://fleet.example'
    return judgeOutside(await gatherOutside(issuer, { names, clock: systemClock }), {
      issuer,
      keys,
    })
  }
  const keysOf = async (broker: RunningBroker): Promise<string[]> => {
    const { text } = await call(broker, 'GET', '/keys.json')
    return (JSON.parse(text) as Jwks).keys.map(({ kid = '' }) => kid)
  }
  const until = async (is: () => Promise<boolean>): Promise<void> => {
    for (let round = 0; round < 400 && !(await is()); round += 1) await Bun.sleep(10)
    expect(await is()).toBe(true)
  }

  test('follow the keys that a cluster’s issuer publishes, also what came while none ran', async () => {
    const next = await generateSigningKey('ES256')
    let published = jwksOf([clusterKey])
    const startOne = async (): Promise<RunningBroker> => {
      const broker = await startBroker(readBrokerConfig(configInput()), {
        clock: systemClock,
        log: silentLog,
        readIssuerKeys: async () => published,
        issuerCheckMs: 10,
      })
      running.push(broker)
      return broker
    }
    const clusterKeys = async (broker: RunningBroker): Promise<Jwks> => {
      const { text } = await call(broker, 'GET', '/podrole/v1/clusters/edge')
      return (JSON.parse(text) as { jwks: Jwks }).jwks
    }
    const [one, two] = [await startOne(), await startOne()]
    const registration = { issuer: 'https://edge.example', followIssuer: true }
    await call(one, 'PUT', '/podrole/v1/clusters/edge', registration)
    expect(await clusterKeys(two)).toEqual(jwksOf([clusterKey]))
    published = jwksOf([clusterKey, next])
    await until(async () => (await clusterKeys(two)).keys.length === 2)
    await stopAll()
    published = jwksOf([next])
    const three = await startOne()
    await until(async () => (await clusterKeys(three)).keys.length === 1)
    expect(await clusterKeys(three)).toEqual(jwksOf([next]))
  })

  test('rotate their sealed keys alone, and one that starts later has the same', async () => {
    const sealing = { file: join(folder, 'sealing.keys') }
    await writeFile(sealing.file, randomBytes(32).toString('base64'), { mode: 0o600 })
    const signingKeys = { sealing, rotateEvery: '30d', settle: '1h' }
    const startOne = async (): Promise<RunningBroker> => {
      const broker = await startBroker(readBrokerConfig({ ...configInput(), signingKeys }), {
        clock,
        log: silentLog,
        look: lookAt,
        keyCheckMs: 10,
      })
      running.push(broker)
      return broker
    }
    const [one, two] = [await startOne(), await startOne()]
    names.add(`fleet.example=127.0.0.1:${one.port}`)
    const [first = ''] = await keysOf(one)
    expect(await keysOf(two)).toEqual([first])

    clock.advance(30 * 86_400_000)
    await until(async () => (await keysOf(two)).length === 2 && (await keysOf(one)).length === 2)
    const next = (await keysOf(one)).find((kid) => kid !== first) ?? ''
    // The one that signs comes first.
    expect(await keysOf(two)).toEqual([first, next])
    // It is seen from outside at a moment of this hour.
    clock.advance(3_700_000)
    await until(async () => (await keysOf(two))[0] === next && (await keysOf(one))[0] === next)
    expect(await keysOf(one)).toContain(first)
    clock.advance(10 * 60_000)
    await until(
      async () => (await keysOf(one)).join() === next && (await keysOf(two)).join() === next,
    )
    expect(await keysOf(await startOne())).toEqual([next])
  })

  test('rotate by an admin, step for step, and refuse what is too early', async () => {
    const broker = await startBroker(readBrokerConfig({ ...configInput() }), {
      clock,
      log: silentLog,
      look: lookAt,
      keyCheckMs: 5,
    })
    running.push(broker)
    callersClock = clock
    names.add(`fleet.example=127.0.0.1:${broker.port}`)
    const ask = async (command: string): Promise<{ status: number; text: string }> =>
      call(broker, 'POST', '/podrole/v1/issuer/rotation', { command })
    expect(await ask('activate')).toMatchObject({
      status: 400,
      text: expect.stringContaining('NothingPrepared'),
    })
    expect((await ask('rotate')).text).toContain('wanted prepare, activate, retire or abort')
    expect((await ask('prepare')).status).toBe(200)
    expect((await ask('activate')).text).toContain('KeyNotSettled')
    clock.advance(86_400_100)
    expect((await ask('activate')).status).toBe(200)
    expect((await ask('retire')).text).toContain('TokensInUse')
    expect((await ask('abort')).status).toBe(200)
    const { text } = await call(broker, 'GET', '/podrole/v1/issuer')
    expect(text).not.toContain('PRIVATE')
    const told = JSON.parse(text) as {
      readonly issuer: { readonly keys: readonly { readonly state: string }[] }
      readonly outlook: Readonly<Record<string, readonly Readonly<Record<string, string>>[]>>
    }
    expect(told.issuer.keys.map(({ state }) => state)).toEqual(['active', 'prepared'])
    expect(told.outlook).toMatchObject({
      keys: [{ state: 'active' }, { state: 'prepared', waitsFor: 'activate' }],
      commands: [
        { command: 'prepare', when: 'now' },
        { command: 'activate', when: 'now' },
        { command: 'retire', when: 'no' },
        { command: 'abort', when: 'later' },
      ],
    })
    expect((await call(broker, 'GET', '/podrole/v1/issuer/x')).status).toBe(404)
  })
})

test.each([
  [
    { rotateEvery: '59m' },
    /^the broker's settings are wrong: signingKeys\.rotateEvery: "59m" is 3540 s/,
  ],
  [{ settle: '299s' }, /signingKeys\.settle: "299s" is 299 s: wanted 300 s to/],
  [{ rotateEvery: 'monthly' }, /signingKeys\.rotateEvery: duration "monthly" is not one/],
  [
    { sealing: { kms: 'alias/x' } },
    /signingKeys\.sealing\.kms: wanted the ARN of a KMS key or alias/,
  ],
  [{ sealing: {} }, /signingKeys\.sealing/],
  [{ rotate: '30d' }, /signingKeys: Unrecognized key: "rotate"/],
])('settings of keys that are none are refused: %j', (signingKeys, message) => {
  expect(() => readBrokerConfig({ ...configInput(), signingKeys })).toThrow(message)
})
