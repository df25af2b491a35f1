/** Asking before something is changed. */
import { createInterface } from 'node:readline/promises'
import { PodroleError } from '../lib/errors.ts'

export type Answer = 'yes' | 'no' | 'interrupted'

/**
 * Asks on the terminal; no answer but y or yes is yes. Ctrl-C and its end are answers too.
 * @param hint what to do where nobody can be asked
 * @throws PodroleError `NotConfirmed` where nobody can be asked
 */
export async function askToConfirm(question: string, hint: string): Promise<Answer> {
  if (!process.stdin.isTTY) {
    throw new PodroleError(
      'NotConfirmed',
      'there is nobody to ask: standard input is no terminal',
      { hint },
    )
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const ended = new Promise<Answer>((resolve) => {
    terminal.once('SIGINT', () => resolve('interrupted'))
    terminal.once('close', () => resolve('no'))
  })
  const answered = terminal
    .question(`${question} [y/N] `)
    .then((text): Answer => (/^y(?:es)?$/i.test(text.trim()) ? 'yes' : 'no'))
  try {
    const answer = await Promise.race([answered, ended])
    if (answer === 'interrupted') process.stderr.write('\n')
    return answer
  } finally {
    terminal.close()
  }
}
