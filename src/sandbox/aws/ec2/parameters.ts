import type { QueryParameters } from '../wire/query.ts'
import type { Node } from '../wire/xml.ts'

const MAX_ITEMS = 1000

/** `NAME.1`, `NAME.2`, … as EC2 writes lists. */
export function readIndexed(parameters: QueryParameters, name: string): readonly string[] {
  const values: string[] = []
  for (let index = 1; index <= MAX_ITEMS; index += 1) {
    const value = parameters.get(`${name}.${index}`)
    if (value === undefined) break
    values.push(value)
  }
  return values
}

/** A list as EC2 answers it: one `item` each. */
export const itemsOf = (nodes: readonly Node[]): Node => ({ item: nodes })
