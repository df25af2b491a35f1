/** The file of further checks: AWS CLI commands that run in the pod, and what is expected of each. */
import { type Document, parseDocument } from 'yaml'
import { z } from 'zod'
import { PodroleError } from '../../lib/errors.ts'

/** What a command is to do; `text` is what it is to print somewhere. */
export type Expectation =
  | { readonly kind: 'success' }
  | { readonly kind: 'access-denied' }
  | { readonly kind: 'output'; readonly text: string }

export interface Check {
  readonly name: string
  /** Words behind `aws`. */
  readonly command: readonly string[]
  readonly expect: Expectation
}

const MAX_FILE_CHARACTERS = 1 << 18
/** Linux takes 131,072 bytes as one argument of a program, and the script is one. */
const MAX_COMMAND_BYTES = 64 << 10

/** One line: no control character. */
// oxlint-disable-next-line no-control-regex
const LINE = /^[^\u0000-\u001f\u007f]*$/
const line = (max: number): z.ZodString =>
  z.string().max(max).regex(LINE, 'wanted one line, without control characters')

const word = line(2000).refine((text) => text !== '--debug', {
  error: '--debug prints credentials and is not taken',
})

const schema = z.strictObject({
  checks: z
    .array(
      z.strictObject({
        name: line(100).min(1),
        command: z
          .array(word)
          .min(1)
          .max(64)
          .refine(([first = '']) => /^[a-z][a-z0-9-]*$/.test(first), {
            error: "wanted an AWS CLI command's words behind aws, as [s3, ls]",
          }),
        expect: z.union(
          [
            z.literal('success'),
            z.literal('access-denied'),
            z.strictObject({ output: line(500).min(1) }),
          ],
          { error: 'wanted success, access-denied or {output: TEXT}' },
        ),
      }),
    )
    .min(1)
    .max(50),
})

/**
 * Reads YAML or JSON.
 * @throws PodroleError `InvalidChecks`, with every fault and its path
 */
export function parseChecks(text: string, source: string): readonly Check[] {
  if (text.length > MAX_FILE_CHARACTERS) {
    throw refusal(source, [`it has more than ${MAX_FILE_CHARACTERS} characters`])
  }
  const document = parseDocument(text, { uniqueKeys: true })
  if (document.errors.length > 0) {
    throw refusal(
      source,
      document.errors.map(({ message }) => message.split('\n')[0] ?? ''),
    )
  }
  const read = schema.safeParse(plainValue(document, source))
  if (!read.success) {
    throw refusal(
      source,
      read.error.issues.map(
        ({ message, path }) => `${path.map(String).join('.') || 'it'}: ${message}`,
      ),
    )
  }
  const { checks } = read.data
  const faults = [...repeatedNames(checks.map(({ name }) => name)), ...tooLong(checks)]
  if (faults.length > 0) throw refusal(source, faults)
  return checks.map(({ command, expect, name }) => ({
    name,
    command,
    expect: typeof expect === 'string' ? { kind: expect } : { kind: 'output', text: expect.output },
  }))
}

function plainValue(document: Document, source: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 })
  } catch {
    throw refusal(source, ['it has an alias: wanted plain YAML'])
  }
}

const repeatedNames = (names: readonly string[]): readonly string[] =>
  names
    .filter((name, at) => names.indexOf(name) !== at)
    .map((name) => `checks: two are called ${JSON.stringify(name)}`)

function tooLong(checks: readonly { readonly command: readonly string[] }[]): readonly string[] {
  const bytes = Buffer.byteLength(checks.flatMap(({ command }) => command).join(' '))
  return bytes > MAX_COMMAND_BYTES
    ? [`checks: their commands have ${bytes} bytes, wanted at most ${MAX_COMMAND_BYTES}`]
    : []
}

const refusal = (source: string, faults: readonly string[]): PodroleError =>
  new PodroleError(
    'InvalidChecks',
    `Cannot read checks of ${source}:\n${faults.map((fault) => `  ${fault}`).join('\n')}`,
    { hint: 'Wanted checks: [{name: …, command: [s3, ls], expect: success}].' },
  )
