import { createInterface } from 'node:readline/promises'
import { PodroleError } from '../lib/errors.ts'

/**
 * Asks on the terminal; no answer but y or yes is yes.
 * @param hint what to do where nobody can be asked
 * @throws PodroleError `NotConfirmed` where nobody can be asked
 */
export async function isConfirmed(question: string, hint: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new PodroleError(
      'NotConfirmed',
      'there is nobody to ask: standard input is no terminal',
      { hint },
    )
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(?:es)?$/i.test(await terminal.question(`${question} [y/N] `))
  } finally {
    terminal.close()
  }
}
