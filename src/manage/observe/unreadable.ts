import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'

/** AWS's codes and Kubernetes' reason for what a caller may not do. */
const DENIED = /^(?:AccessDenied|Forbidden|UnauthorizedOperation)/
const MAX_TOLD = 20

/** Collects what may not be read, so that all of it is told at once and none is taken for absent. */
export class Unreadable {
  readonly #told = new Set<string>()

  /** What was read, or a stand-in that `check` keeps from ever being used. */
  async read<T>(ask: () => Promise<T>, standIn: T): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      if (!DENIED.test(codeOf(error) ?? '')) throw error
      this.#told.add(messageOf(error))
      return standIn
    }
  }

  /** @throws PodroleError `NotReadable` */
  check(): void {
    if (this.#told.size === 0) return
    const told = [...this.#told].sort()
    const more = told.length > MAX_TOLD ? [`and ${told.length - MAX_TOLD} more`] : []
    throw new PodroleError(
      'NotReadable',
      ['there is no plan without what may not be read:', ...told.slice(0, MAX_TOLD), ...more].join(
        '\n  ',
      ),
      { hint: 'Nothing was taken for absent. Let the caller read it, or use one who may.' },
    )
  }
}
