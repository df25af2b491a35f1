/** A cluster is registered at a broker by its issuer alone, and its keys are replaced; as typed. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { createCertificateAuthority } from '../../src/lib/certificates.ts'
import type { Jwks } from '../../src/token/jwks.ts'
import { type ChildProgram, startProgram } from '../support/child-program.ts'
import {
  type IssuerJourney,
  PODROLE,
  type Ran,
  startIssuerJourney,
} from '../support/issuer-journey.ts'
import { type RotatedIssuer, rotatedIssuer } from '../support/rotated-issuer.ts'

setDefaultTimeout(60_000)

let journey: IssuerJourney
let issuer: RotatedIssuer
const brokers: ChildProgram[] = []

beforeAll(async () => {
  journey = await startIssuerJourney()
  issuer = rotatedIssuer('followed', journey)
  expect((await issuer.init()).code).toBe(0)
  const authority = await createCertificateAuthority({ commonName: 'test' })
  const { cert, key } = await authority.issue({ names: ['127.0.0.1'] })
  writeFileSync(journey.at('ca.pem'), authority.cert)
  writeFileSync(journey.at('tls.crt'), cert)
  writeFileSync(journey.at('tls.key'), key, { mode: 0o600 })
  const settings = {
    hostname: '127.0.0.1',
    port: 0,
    certificateFile: journey.at('tls.crt'),
    keyFile: journey.at('tls.key'),
    databaseFile: journey.at('broker.sqlite'),
    issuer: 'https://fleet.example.com',
    region: 'us-east-1',
    accountId: '111122223333',
    adminKeyFile: journey.at('admin.json'),
  }
  writeFileSync(journey.at('broker.yaml'), JSON.stringify(settings))
})
afterAll(async () => {
  for (const broker of brokers) await broker.stop()
  await journey.stop()
})

/** @returns the program, and where it listens */
async function startBroker(): Promise<readonly [ChildProgram, url: string]> {
  const ready = journey.at('ready-broker.json')
  rmSync(ready, { force: true })
  const broker = startProgram(
    PODROLE,
    ['broker', '--config', journey.at('broker.yaml'), '--ready-file', ready],
    { logFile: journey.at('broker.log'), cwd: journey.at('.'), environment: journey.environment },
  )
  brokers.push(broker)
  while (!existsSync(ready)) {
    if (broker.exitCode() !== undefined) throw new Error(broker.lastLines())
    await Bun.sleep(30)
  }
  const { url } = (await Bun.file(ready).json()) as { url: string }
  return [broker, url]
}

const cluster = (url: string, ...words: string[]): Promise<Ran> =>
  journey.run([PODROLE, 'cluster', ...words], {
    PODROLE_BROKER_URL: url,
    PODROLE_BROKER_KEY_FILE: journey.at('admin.json'),
    AWS_REGION: 'us-east-1',
  })
const ca = (): readonly string[] => ['--ca-file', journey.at('ca.pem')]

test('by --follow-issuer the broker has the new key when it starts again, by --jwks it has not', async () => {
  const [first, url] = await startBroker()
  const neither = await cluster(url, 'register', 'edge', '--issuer', issuer.url, ...ca())
  expect(neither).toMatchObject({ code: 1, out: '' })
  expect(neither.err).toContain('wanted --jwks FILE or --follow-issuer')
  const follow = ['--issuer', issuer.url, '--follow-issuer', '-o', 'json', ...ca()]
  const registered = await cluster(url, 'register', 'edge', ...follow)
  expect(registered).toMatchObject({ code: 0, err: '' })
  const { jwks } = JSON.parse(registered.out) as { jwks: Jwks }
  writeFileSync(journey.at('keys.json'), JSON.stringify(jwks))
  const fixed = ['--issuer', 'https://fixed.example', '--jwks', journey.at('keys.json'), ...ca()]
  expect(await cluster(url, 'register', 'fixed', ...fixed)).toMatchObject({ code: 0 })
  await first.stop()

  expect((await issuer.rotate('prepare')).code).toBe(0)
  const [, again] = await startBroker()
  const keysOf = async (name: string): Promise<readonly (string | undefined)[]> => {
    const { out } = await cluster(again, 'list', '-o', 'json', ...ca())
    const clusters = JSON.parse(out) as readonly { name: string; jwks: Jwks }[]
    return clusters.find((one) => one.name === name)?.jwks.keys.map(({ kid }) => kid) ?? []
  }
  while ((await keysOf('edge')).length < 2) await Bun.sleep(100)
  const both = new Set([issuer.kid('active'), issuer.kid('prepared')])
  expect(new Set(await keysOf('edge'))).toEqual(both)
  expect(await keysOf('fixed')).toEqual([issuer.kid('active')])
  const table = (await cluster(again, 'list', ...ca())).out.split('\n')
  expect(table[1]).toMatch(/^edge .* of the issuer +\d{4}-/)
  expect(table[2]).toMatch(/^fixed .* registered +\d{4}-/)
})

test('an issuer that cannot be read is a refusal that names it', async () => {
  const [, url] = await startBroker()
  const gone = ['--issuer', 'https://s3.us-east-1.amazonaws.com/nobody', '--follow-issuer', ...ca()]
  const refused = await cluster(url, 'register', 'gone', ...gone)
  expect(refused).toMatchObject({ code: 1, out: '' })
  expect(refused.err).toContain('https://s3.us-east-1.amazonaws.com/nobody/.well-known/')
})
