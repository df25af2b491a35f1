/** `podrole explain --token` alone: it asks nobody, and prints nothing of the token. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { generateSigningKey } from '../../src/issuer/keys.ts'
import { signToken } from '../../src/issuer/sign.ts'

const PODROLE = join(import.meta.dir, '..', '..', 'bin', 'podrole')
const KEY = await generateSigningKey('ES256')

/** Without AWS credentials, kubeconfig and home. */
async function explain(token: string, ...more: readonly string[]): Promise<object> {
  const child = Bun.spawn([PODROLE, 'explain', '--token', '-', ...more], {
    stdio: [new Blob([token]), 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '' },
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  for (const part of token.split('.')) expect(out + err).not.toContain(part)
  return { code: await child.exited, out, err }
}

const tokenOf = async (change: Readonly<Record<string, unknown>> = {}): Promise<string> => {
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    iss: 'https://issuer.example.com/a',
    sub: 'system:serviceaccount:shop:orders',
    aud: ['sts.amazonaws.com'],
    iat: now,
    exp: now + 3600,
    ...change,
  }
  return (await signToken(KEY, claims)).reveal()
}

test('a good token', async () => {
  expect(await explain(await tokenOf())).toEqual({
    code: 0,
    err: '',
    out: expect.stringMatching(
      /^✓ token {8}the token is for sts.amazonaws.com\n[^]*Nothing is wrong with the token of shop\/orders by itself/,
    ),
  })
}, 60_000)

test('one with two audiences, as data', async () => {
  const token = await tokenOf({ aud: ['sts.amazonaws.com', 'vault'] })
  expect(await explain(token, '-o', 'json')).toMatchObject({
    code: 1,
    out: expect.stringContaining('"reason": "token-many-audiences"'),
  })
}, 60_000)

test('what is no token', async () => {
  expect(await explain('secret-of-somebody')).toMatchObject({
    code: 1,
    out: expect.stringContaining('(token-malformed)'),
  })
}, 60_000)
