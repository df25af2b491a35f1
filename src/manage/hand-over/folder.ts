/** A folder of steps in somebody else's hands: numbered inputs, and a script with each command in order. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import type { HandedCommand } from './commands.ts'

const INDEX_KIND = 'podrole.dev/hand-over/v1'
const INDEX_FILE = 'hand-over.json'
export const SCRIPT_FILE = 'run.sh'

const schema = z.strictObject({
  kind: z.literal(INDEX_KIND),
  steps: z.array(
    z.strictObject({
      id: z.string(),
      /** `001-create-role` */
      name: z.string(),
      words: z.array(z.string()),
      wait: z.array(z.string()).exactOptional(),
    }),
  ),
})

type HandedStep = z.infer<typeof schema>['steps'][number]

export interface HandOverFolder {
  readonly path: string
  /** Ids of the steps that were handed over here, by this apply or the one that it goes on with. */
  readonly has: (id: string) => boolean
  /** Adds steps, each behind those that it depends on; the names that they got. */
  readonly add: (
    steps: readonly { readonly id: string; readonly command: HandedCommand }[],
  ) => readonly string[]
}

/**
 * Opens or makes the folder; what it has from before keeps its number.
 * @throws PodroleError `InvalidHandOver` for a folder of something else
 */
export function openHandOverFolder(path: string): HandOverFolder {
  mkdirSync(path, { recursive: true })
  const steps: HandedStep[] = readIndex(path)
  const has = (id: string): boolean => steps.some((one) => one.id === id)
  return {
    path,
    has,
    add: (more) => {
      const added = more
        .filter(({ id }) => !has(id))
        .map(({ command, id }, at): HandedStep => {
          const name = `${String(steps.length + at + 1).padStart(3, '0')}-${command.name}`
          const file = `${name}.json`
          if (command.input !== undefined) {
            const text = `${JSON.stringify(command.input, undefined, 2)}\n`
            writeFileSync(join(path, file), text, { flag: 'wx' })
          }
          const { wait } = command
          return { id, name, words: [...command.words(file)], ...(wait && { wait: [...wait] }) }
        })
      steps.push(...added)
      // The script first: what the index names, the script has.
      writeFileSync(join(path, SCRIPT_FILE), scriptOf(steps))
      chmodSync(join(path, SCRIPT_FILE), 0o755)
      const index = { kind: INDEX_KIND, steps }
      writeFileSync(join(path, INDEX_FILE), `${JSON.stringify(index, undefined, 2)}\n`)
      return added.map(({ name }) => name)
    },
  }
}

function readIndex(path: string): HandedStep[] {
  let text: string
  try {
    text = readFileSync(join(path, INDEX_FILE), 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
  try {
    return schema.parse(JSON.parse(text)).steps
  } catch (cause) {
    throw new PodroleError('InvalidHandOver', `${join(path, INDEX_FILE)} is no index of apply`, {
      hint: 'Name another folder with --hand-over.',
      cause,
    })
  }
}

const HEAD = `#!/bin/sh
# Steps of podrole apply, in their order, for whoever may do them.
# A step that was done is not done again: after a fault, mend it and run this once more.
set -eu
cd "$(dirname "$0")"
export AWS_PAGER=''
step() {
  name=$1
  shift
  if [ -e "$name.done" ]; then return 0; fi
  echo "$name" >&2
  "$@"
  : > "$name.done"
}
`

/** Each command of its own line, as it can be typed. Pure. */
export function scriptOf(steps: readonly HandedStep[]): string {
  const lines = steps.flatMap(({ name, wait, words }) => [
    `step ${name} ${words.map(quote).join(' ')}`,
    ...(wait === undefined ? [] : [`step ${name}-wait ${wait.map(quote).join(' ')}`]),
  ])
  return `${HEAD}${lines.join('\n')}\n`
}

const quote = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
