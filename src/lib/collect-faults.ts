import { messageOf, PodroleError } from './errors.ts'

/** Several faults of one input, to be mended in one go; a line for each. */
class ManyFaults extends PodroleError {
  readonly faults: readonly PodroleError[]

  constructor(code: string, faults: readonly PodroleError[]) {
    const lines = faults.map(
      (fault) => `  ${messageOf(fault)}${fault.hint === undefined ? '' : ` (${fault.hint})`}`,
    )
    super(code, `${faults.length} things are wrong:\n${lines.join('\n')}`)
    this.name = 'ManyFaults'
    this.faults = faults
  }
}

/**
 * Does all checks and throws what they threw at once: the fault itself where there is one, else one
 * with that code which names them all. Checks may do so themselves.
 */
export function checkAll(code: string, checks: readonly (() => unknown)[]): void {
  const faults = checks.flatMap((check) => {
    try {
      check()
      return []
    } catch (error) {
      if (!(error instanceof PodroleError)) throw error
      return error instanceof ManyFaults ? error.faults : [error]
    }
  })
  const [first, ...others] = faults
  if (first === undefined) return
  throw others.length === 0 ? first : new ManyFaults(code, faults)
}
