import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BREAKABLE } from '../../src/cli/demo/breakable.ts'

const ROOT = join(import.meta.dir, '..', '..')

interface Run {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function demo(...args: readonly string[]): Promise<Run> {
  const child = Bun.spawn([join(ROOT, 'bin', 'podrole'), 'demo', ...args], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { code: await child.exited, out, err }
}

/** The steps that a run shows, each with its mark. */
const steps = (run: Run): { mark: string; name: string }[] =>
  run.out
    .split('\n')
    .map((line) => /^(ok|FAILED|not run)\s+(.+?)(?:\s{2,}|$)/.exec(line))
    .filter((match) => match !== null)
    .map((match) => ({ mark: match[1] ?? '', name: match[2] ?? '' }))

describe('podrole demo', () => {
  test('two at once, each shows every step and exits with 0', async () => {
    const runs = await Promise.all([demo(), demo()])
    for (const run of runs) {
      expect({ code: run.code, err: run.err }).toEqual({ code: 0, err: '' })
      expect(steps(run).length).toBe(13)
      expect(steps(run).every(({ mark }) => mark === 'ok')).toBe(true)
    }
  })

  test('README shows the steps that the demo has', async () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
    const run = await demo('--break', 'webhook')
    const names = (text: string): string[] =>
      steps({ code: 0, out: text, err: '' }).map(({ name }) => name)
    const shown = readme.slice(0, readme.indexOf('every step held'))
    expect(names(shown)).toEqual(names(run.out))
  })

  test('on loopback, where no network namespace can be made', async () => {
    const run = await demo('--network', 'loopback')
    expect({ code: run.code, err: run.err }).toEqual({ code: 0, err: '' })
    expect(run.out).toContain('loopback')
  })

  const failing: Readonly<Record<(typeof BREAKABLE)[number], { step: string; reason: RegExp }>> = {
    webhook: { step: 'IRSA', reason: /webhook did not mutate/ },
    trust: { step: 'IRSA', reason: /AccessDenied/ },
    issuer: { step: 'IRSA', reason: /InvalidIdentityToken/ },
    permission: { step: 'IRSA', reason: /could not read s3:/ },
    association: { step: 'Pod Identity on EKS', reason: /webhook did not mutate/ },
    agent: { step: 'Pod Identity on EKS', reason: /did not get role/ },
  }
  for (const broken of BREAKABLE) {
    test(`--break ${broken} fails at ${failing[broken].step} with exit code 1`, async () => {
      const run = await demo('--break', broken)
      expect(run.code).toBe(1)
      const failed = steps(run).filter(({ mark }) => mark === 'FAILED')
      expect(failed).toEqual([{ mark: 'FAILED', name: failing[broken].step }])
      expect(run.out).toMatch(failing[broken].reason)
    })
  }

  test('an unknown step to break is refused with the ones there are', async () => {
    const run = await demo('--break', 'everything')
    expect(run.code).toBe(1)
    expect(run.err).toContain('webhook, trust, issuer')
  })
})
