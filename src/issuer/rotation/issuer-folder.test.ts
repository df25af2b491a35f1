import { expect, test } from 'bun:test'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf } from '../../lib/errors.ts'
import { readKeyPath } from '../key-folder.ts'
import { generateSigningKey, type SigningKey } from '../keys.ts'
import {
  ISSUER_FILE,
  loadPrivateKey,
  openIssuerFolder,
  type OwnIssuerFolder,
  readIssuerFolder,
} from './issuer-folder.ts'
import {
  activeKeyOf,
  type IssuerState,
  type KeyState,
  parseIssuerState,
  publishedKeysOf,
  type RotationKey,
} from './state.ts'
import damaged from './testdata/damaged-states.json'

const KEYS = await Promise.all([1, 2, 3, 4].map(() => generateSigningKey()))
const [ACTIVE, PREPARED, RETIRING, RETIRED] = KEYS as [
  SigningKey,
  SigningKey,
  SigningKey,
  SigningKey,
]

const entry = ({ kid, publicJwk }: SigningKey, state: KeyState): RotationKey => ({
  kid,
  publicJwk: publicJwk as RotationKey['publicJwk'],
  state,
  source: { file: `${kid}.pem` },
  preparedAt: '2026-01-01T00:00:00.000Z',
})
const STATE: IssuerState = {
  version: 1,
  issuer: 'https://idp.example.com/c1',
  settleSeconds: 60,
  maxTokenSeconds: 3600,
  keys: [
    entry(RETIRED, 'retired'),
    entry(RETIRING, 'retiring'),
    entry(PREPARED, 'prepared'),
    entry(ACTIVE, 'active'),
  ],
}

async function withFolder(use: (folder: string, own: OwnIssuerFolder) => Promise<void>) {
  const parent = mkdtempSync(join(tmpdir(), 'podrole-issuer-folder-'))
  const folder = join(parent, 'c1')
  const own = await openIssuerFolder(folder)
  try {
    await use(folder, own)
  } finally {
    own.close()
    rmSync(parent, { recursive: true })
  }
}

const codeFrom = (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => 'nothing thrown',
    (error: unknown) => codeOf(error),
  )

test('what is written is read back; modes keep others out; who publishes sees published keys', () =>
  withFolder(async (folder, own) => {
    expect(await own.read()).toBeUndefined()
    expect(await codeFrom(readIssuerFolder(folder))).toBe('NoIssuerFolder')
    await own.addKey(ACTIVE)
    expect(await codeFrom(own.addKey(ACTIVE))).toBe('FileExists')
    await own.write(STATE)
    const read = await readIssuerFolder(folder)
    expect(read).toEqual({ folder, state: STATE })
    expect(activeKeyOf(read.state)?.kid).toBe(ACTIVE.kid)
    const published = [ACTIVE, PREPARED, RETIRING].map(({ kid, publicJwk }) => ({ kid, publicJwk }))
    expect(publishedKeysOf(read.state)).toEqual(published)
    expect(await readKeyPath(folder)).toEqual(published)
    expect((await loadPrivateKey(folder, STATE.keys[3]!)).kid).toBe(ACTIVE.kid)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    for (const name of readdirSync(folder)) {
      expect([name, statSync(join(folder, name)).mode & 0o777]).toEqual([name, 0o600])
    }
    await own.removeKey(ACTIVE.kid)
    await own.removeKey(ACTIVE.kid)
    expect(existsSync(join(folder, `${ACTIVE.kid}.pem`))).toBe(false)
  }))

test('what others may read is refused, with the chmod to run', () =>
  withFolder(async (folder, own) => {
    await own.addKey(ACTIVE)
    await own.write(STATE)
    const pem = join(folder, `${ACTIVE.kid}.pem`)
    const asks = {
      [folder]: () => readIssuerFolder(folder),
      [join(folder, ISSUER_FILE)]: () => readIssuerFolder(folder),
      [pem]: () => loadPrivateKey(folder, STATE.keys[3]!),
    }
    for (const [path, ask] of Object.entries(asks)) {
      const { mode } = statSync(path)
      chmodSync(path, mode | 0o040)
      await expect(ask()).rejects.toMatchObject({
        code: 'OpenToOthers',
        hint: expect.stringContaining(`chmod ${path === folder ? 700 : 600} ${path}`),
      })
      chmodSync(path, mode)
      await ask()
    }
    chmodSync(folder, 0o711)
    expect(await codeFrom(openIssuerFolder(folder))).toBe('OpenToOthers')
  }))

test.skipIf(process.geteuid?.() !== 0)('what belongs to another user is refused', () =>
  withFolder(async (folder, own) => {
    await own.addKey(ACTIVE)
    await own.write(STATE)
    const { chownSync } = await import('node:fs')
    // Root reads what anybody owns, so another user must do the reading.
    const parent = join(folder, '..')
    chmodSync(parent, 0o755)
    for (const path of [folder, join(folder, ISSUER_FILE)]) chownSync(path, 65_534, 65_534)
    chownSync(join(folder, `${ACTIVE.kid}.pem`), 12_345, 0)
    await expect(readIssuerFolder(folder)).rejects.toMatchObject({ code: 'OthersOwn' })
    await expect(loadPrivateKey(folder, STATE.keys[3]!)).rejects.toMatchObject({
      code: 'OthersOwn',
      hint: expect.stringContaining('chown 0 '),
    })
  }),
)

test('one writes at a time, and a lock ends with its holder', () =>
  withFolder(async (folder, own) => {
    expect(await codeFrom(openIssuerFolder(folder))).toBe('IssuerFolderInUse')
    own.close()
    const next = await openIssuerFolder(folder)
    next.close()
    const program = `import { openIssuerFolder } from ${JSON.stringify(join(import.meta.dir, 'issuer-folder.ts'))}
      await openIssuerFolder(process.argv[1]); Bun.gc(true); console.log('held'); setInterval(() => {}, 1000)`
    const child = Bun.spawn([process.execPath, '--no-env-file', '-e', program, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const reader = child.stdout.getReader()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('held\n')
    await expect(openIssuerFolder(folder)).rejects.toMatchObject({
      message: expect.stringContaining(`(process ${child.pid})`),
    })
    child.kill('SIGKILL')
    await child.exited
    const after = await openIssuerFolder(folder)
    after.close()
  }))

test('what a killed writer left: whole keys are found, halves are gone, other files stay', () =>
  withFolder(async (folder, own) => {
    await own.addKey(ACTIVE)
    await own.addKey(PREPARED)
    await own.write({ ...STATE, keys: [entry(ACTIVE, 'active')] })
    const cut = `${RETIRED.kid}.pem`
    const whole = readFileSync(join(folder, `${PREPARED.kid}.pem`), 'utf8')
    writeFileSync(join(folder, cut), whole.slice(0, 90), { mode: 0o600 })
    writeFileSync(join(folder, `${RETIRING.kid}.pem`), whole, { mode: 0o600 })
    writeFileSync(join(folder, 'notes.txt'), '', { mode: 0o600 })
    mkdirSync(join(folder, 'old'))
    writeFileSync(join(folder, 'issuer.json.0123456789ab.next'), '{', { mode: 0o600 })
    own.close()
    const again = await openIssuerFolder(folder)
    const left = await again.leftKeys((await again.read())!)
    again.close()
    expect(left.map(({ kid }) => kid)).toEqual([PREPARED.kid])
    // A whole key under another one's name may be somebody's: it is not used, and it is not deleted.
    expect(readdirSync(folder).sort()).toEqual(
      [
        ISSUER_FILE,
        `${ACTIVE.kid}.pem`,
        `${PREPARED.kid}.pem`,
        `${RETIRING.kid}.pem`,
        'lock',
        'notes.txt',
        'old',
        'owner',
      ].sort(),
    )
  }))

test('a file with another key than it should have is refused', () =>
  withFolder(async (folder, own) => {
    await own.addKey(PREPARED)
    const misnamed = { ...STATE.keys[3]!, source: { file: `${PREPARED.kid}.pem` } }
    expect(await codeFrom(loadPrivateKey(folder, misnamed))).toBe('WrongKeyInFile')
    const inKms = { ...misnamed, source: { kms: 'arn:aws:kms:eu-west-1:111122223333:key/k' } }
    expect(await codeFrom(loadPrivateKey(folder, inKms))).toBe('KeyNotInFile')
  }))

test.each(damaged)('damaged: $name', ({ change, fault }) => {
  const value = JSON.parse(JSON.stringify(STATE)) as Record<string, unknown>
  for (const [path, next] of Object.entries(change)) {
    const steps = path.split('.')
    const last = steps.pop() ?? ''
    const at = steps.reduce<object>((found, step) => Reflect.get(found, step) as object, value)
    Reflect.set(at, last, next)
  }
  expect(() => parseIssuerState(JSON.stringify(value), 'issuer.json')).toThrow(fault)
})

test('a state that could not be read back is not written', () =>
  withFolder(async (folder, own) => {
    await own.write(STATE)
    const twice = { ...STATE, keys: [entry(ACTIVE, 'active'), entry(PREPARED, 'active')] }
    expect(await codeFrom(own.write(twice))).toBe('IssuerStateDamaged')
    expect((await readIssuerFolder(folder)).state).toEqual(STATE)
  }))
