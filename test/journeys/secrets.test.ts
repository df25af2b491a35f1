import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SUPPORT = join(import.meta.dir, '..', 'support')

interface Inspection {
  readonly logs: readonly string[]
  readonly secrets: readonly string[]
  readonly decisions: readonly unknown[]
}

/** Every secret, and of tokens each of the parts that would be a secret by itself. */
const needles = (secrets: readonly string[]): string[] =>
  secrets.flatMap((secret) => {
    const [, , signature] = secret.split('.')
    return signature === undefined || signature === '' ? [secret] : [secret, signature]
  })

const leaks = (text: string, secrets: readonly string[]): string[] =>
  needles(secrets).filter((secret) => text.includes(secret))

test('no log line of the demo at its most talkative level holds a credential or a token', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-secrets-'))
  const file = join(folder, 'inspection.json')
  const child = Bun.spawn(
    [process.execPath, '--no-env-file', join(SUPPORT, 'demo-with-secrets.ts'), file],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  expect(await child.exited).toBe(0)
  const { logs, secrets, decisions } = JSON.parse(readFileSync(file, 'utf8')) as Inspection
  rmSync(folder, { recursive: true, force: true })
  const said = [out, err, ...logs, JSON.stringify(decisions)].join('\n')

  // The search is worth something only if there is much to search for and much to search in.
  expect(secrets.filter((secret) => secret.startsWith('eyJ')).length).toBeGreaterThan(10)
  expect(secrets.filter((secret) => !secret.startsWith('eyJ')).length).toBeGreaterThan(10)
  expect(secrets.every((secret) => secret.length >= 16)).toBe(true)
  for (const part of ['webhook', 'agent', 'broker']) expect(said).toContain(part)
  expect(said.split('\n').length).toBeGreaterThan(50)
  expect(leaks(`${said}\n${secrets[0]}`, secrets)).toContain(secrets[0] ?? '')

  expect(leaks(said, secrets)).toEqual([])
  expect(said).not.toMatch(/eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}/)
})
