import { AwsFault } from './fault.ts'

const MAX_PARAMETERS = 2000
const MAX_NAME_LENGTH = 256

/**
 * The parameters of a request in AWS's query protocol: `Tags.member.1.Key=…`. Bounded: 2,000
 * parameters, names of 256 characters; none may come twice.
 */
export class QueryParameters {
  readonly #values: ReadonlyMap<string, string>

  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values
  }

  get(name: string): string | undefined {
    return this.#values.get(name)
  }

  /** `NAME.member.1`, `NAME.member.2`, … up to the first that is missing, at most `limit`. */
  list(name: string, limit = 1000): readonly string[] {
    const values: string[] = []
    for (let index = 1; index <= limit; index += 1) {
      const value = this.#values.get(`${name}.member.${index}`)
      if (value === undefined) break
      values.push(value)
    }
    return values
  }

  /** `NAME.member.1.FIELD`, …: one record for each index that has any of the fields. */
  records<F extends string>(
    name: string,
    fields: readonly F[],
    limit = 1000,
  ): readonly Readonly<Partial<Record<F, string>>>[] {
    const records: Readonly<Partial<Record<F, string>>>[] = []
    for (let index = 1; index <= limit; index += 1) {
      const record: Partial<Record<F, string>> = {}
      for (const field of fields) {
        const value = this.#values.get(`${name}.member.${index}.${field}`)
        if (value !== undefined) record[field] = value
      }
      if (Object.keys(record).length === 0) break
      records.push(record)
    }
    return records
  }
}

/**
 * The parameters of a form body and of the query string beside it.
 * @throws AwsFault `MalformedQueryString`
 */
export function parseQuery(...texts: readonly string[]): QueryParameters {
  const values = new Map<string, string>()
  for (const text of texts) {
    for (const [name, value] of new URLSearchParams(text)) {
      if (name.startsWith('X-Amz-')) continue
      if (name.length > MAX_NAME_LENGTH || values.size >= MAX_PARAMETERS) {
        throw new AwsFault('MalformedQueryString', 'The query string contains too many parameters')
      }
      if (values.has(name)) {
        throw new AwsFault(
          'MalformedQueryString',
          `The query string contains the parameter ${JSON.stringify(name)} more than once`,
        )
      }
      values.set(name, value)
    }
  }
  return new QueryParameters(values)
}
