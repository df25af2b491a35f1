/** `podrole webhook manifests`, as typed. */
import { describe, expect, test } from 'bun:test'
import { tmpdir } from 'node:os'
import { parseAllDocuments } from 'yaml'
import { PODROLE, type Ran } from '../support/issuer-journey.ts'

function manifests(...words: string[]): Ran {
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [PODROLE, 'webhook', 'manifests', '--image', 'podrole:0.1.0', ...words],
    { cwd: tmpdir(), env: { PATH: process.env['PATH'] ?? '', HOME: tmpdir() } },
  )
  return { code: exitCode, out: stdout.toString(), err: stderr.toString() }
}

interface Deployment {
  readonly kind: string
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly { args: string[] }[] } }
  }
}

test('flags after -- are the webhook’s, behind those that the manifests give it', () => {
  const given = ['--aws-default-region=eu-west-1', '--sts-regional-endpoint']
  const { code, out } = manifests('--', ...given)
  expect(code).toBe(0)
  const objects = parseAllDocuments(out).map((one) => one.toJS() as Deployment)
  const deployment = objects.find(({ kind }) => kind === 'Deployment')
  const args = deployment?.spec.template.spec.containers[0]?.args ?? []
  expect(args[0]).toBe('webhook')
  expect(args.slice(-given.length)).toEqual(given)
})

describe('is refused before anything is printed', () => {
  test.each([
    ['a flag that is none', ['--', '--region=x'], "unknown option '--region=x'"],
    ['where it listens', ['--', '--port=9'], "unknown option '--port=9'"],
    [
      'a value that the webhook would not start with',
      ['--', '--token-expiration=x'],
      '--token-expiration: wanted a whole number',
    ],
    ['a word', ['--', 'word'], 'too many arguments'],
    [
      'flags of a webhook that runs elsewhere',
      ['--url', 'https://a', '--', '--sts-regional-endpoint'],
      '--url says that it runs elsewhere',
    ],
  ] as const)('%s', (_, words, message) => {
    const { code, out, err } = manifests(...words)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain(message)
  })
})
