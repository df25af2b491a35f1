import { PodroleError } from '../lib/errors.ts'

/**
 * That none of another add-on's options is given, by the names that they have in code.
 * @throws PodroleError `ContradictoryOptions`
 */
export function refuseForeign(given: Readonly<Record<string, unknown>>): void {
  const [name] = Object.entries(given).find(([, value]) => value !== undefined) ?? []
  if (name === undefined) return
  const option = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  throw new PodroleError('ContradictoryOptions', `--${option} is not for this add-on`)
}
