/**
 * What a program of one SDK does to the resources of the sandbox's AWS, against resources.yaml. It
 * prints `did SERVICE RESOURCE VERB` for each verb that it has done and looked at, and at its end
 * `N things done, …`.
 */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { runCommand } from '../support/run-command.ts'
import { lacks } from '../support/tools.ts'

/** EC2's pages have five instances at least, and each node is one. */
const SANDBOX = [join(import.meta.dir, '..', '..', 'bin', 'podrole'), 'sandbox', '--nodes', '6']
const TIMEOUT_MS = 600_000

export interface ResourceClient {
  /** Of the test. */
  readonly name: string
  /** Runs inside the sandbox. */
  readonly command: readonly string[]
  /** All that it sees of this machine. */
  readonly environment: Readonly<Record<string, string>>
  /** `SERVICE RESOURCE VERB` → why the SDK cannot do it. */
  readonly exemptions?: Readonly<Record<string, string>>
  /** A tool that is not here, for `lacks`. */
  readonly missing?: { readonly tool: string; readonly get: string } | undefined
}

/** The test of one client: everything in the table is done, and nothing else is said to be. */
export function testResources(client: ResourceClient): void {
  const isSkipped = lacks(`the sandbox's resources by ${client.name}`, client.missing)
  const run = async (): Promise<void> => {
    const { exitCode, stdout, stderr } = await runCommand([...SANDBOX, '--', ...client.command], {
      cwd: client.environment['HOME'] ?? tmpdir(),
      env: client.environment,
    })
    const failed = /^FAIL[^]*/m.exec(stdout)?.[0] ?? ''
    if (exitCode !== 0) expect(`${failed}\n${stderr}`.slice(-4000)).toBe('')
    expect(verbFaults(stdout, readTable(), client.exemptions)).toEqual([])
    const done = [...stdout.matchAll(/^did /gm)].length
    expect(stdout.trimEnd().split('\n').at(-1)).toStartWith(`${done} things done, `)
  }
  test.skipIf(isSkipped)(`every resource by ${client.name}`, run, TIMEOUT_MS)
}

/** Service → resource → verbs. */
export type ResourceTable = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>

const readTable = (): ResourceTable =>
  parse(readFileSync(join(import.meta.dir, 'resources.yaml'), 'utf8')) as ResourceTable

/** What a program's output and the table do not have in common, one line each. */
export function verbFaults(
  output: string,
  table: ResourceTable,
  exemptions: Readonly<Record<string, string>> = {},
): readonly string[] {
  const did = new Set([...output.matchAll(/^did (\S+ \S+ \S+)$/gm)].map(([, verb]) => verb ?? ''))
  const wanted = new Set(
    Object.entries(table).flatMap(([service, resources]) =>
      Object.entries(resources).flatMap(([resource, verbs]) =>
        verbs.map((verb) => `${service} ${resource} ${verb}`),
      ),
    ),
  )
  const exempt = new Set(Object.keys(exemptions))
  return [
    ...[...wanted]
      .filter((verb) => !did.has(verb) && !exempt.has(verb))
      .map((verb) => `not done: ${verb}`),
    ...[...did].filter((verb) => !wanted.has(verb)).map((verb) => `not in the table: ${verb}`),
    ...[...exempt]
      .filter((verb) => !wanted.has(verb))
      .map((verb) => `exempt, not in the table: ${verb}`),
    ...[...exempt].filter((verb) => did.has(verb)).map((verb) => `exempt, and done: ${verb}`),
  ]
}
