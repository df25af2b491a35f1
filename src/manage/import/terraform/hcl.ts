/** Values as Terraform's language writes them. https://developer.hashicorp.com/terraform/language/expressions/strings */

/** An expression that is written as it stands. */
export class HclExpression {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type HclValue =
  | string
  | number
  | boolean
  | null
  | HclExpression
  | readonly HclValue[]
  | { readonly [key: string]: HclValue }

/** A text in quotes, in which nothing is evaluated. */
export function hclText(text: string): string {
  const escaped = text.replaceAll(/[\\"]|[$%](?=\{)|[\p{Cc}\u2028\u2029]/gu, (one) => {
    const short = SHORT[one]
    if (short !== undefined) return short
    if (one === '$' || one === '%') return one + one
    return `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return `"${escaped}"`
}

const SHORT: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '"': '\\"',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

/** Not a word of the language: `{ for = 1 }` begins a loop. */
const NAME = /^(?!(?:for|if|in|true|false|null)$)[A-Za-z_][\w-]*$/

/** An expression over several lines, indented as `terraform fmt` does. */
export function hclValue(value: HclValue, indent = ''): string {
  if (typeof value === 'string') return hclText(value)
  if (value instanceof HclExpression) return value.text
  if (typeof value !== 'object' || value === null) return String(value)
  const inner = `${indent}  `
  if (Array.isArray(value)) {
    const items = value as readonly HclValue[]
    if (items.length === 0) return '[]'
    const lines = items.map((item) => `${inner}${hclValue(item, inner)},\n`)
    return `[\n${lines.join('')}${indent}]`
  }
  const members = Object.entries(value as { readonly [key: string]: HclValue })
  if (members.length === 0) return '{}'
  const named = members.map(([key, item]) => [NAME.test(key) ? key : hclText(key), item] as const)
  return `{\n${attributes(named, inner)}${indent}}`
}

/** Lines of `name = value`, the equals signs of neighbours of one line each below one another. */
export function attributes(
  members: readonly (readonly [string, HclValue])[],
  indent: string,
): string {
  const lines = members.map(([name, value]) => ({ name, text: hclValue(value, indent) }))
  const isLong = (at: number): boolean => lines[at]?.text.includes('\n') ?? true
  return lines
    .map(({ name, text }, at) => {
      let [from, to] = [at, at]
      if (!isLong(at)) {
        while (!isLong(from - 1) && from > 0) from -= 1
        while (!isLong(to + 1) && to < lines.length - 1) to += 1
      }
      const width = Math.max(...lines.slice(from, to + 1).map((line) => line.name.length))
      return `${indent}${name.padEnd(width)} = ${text}\n`
    })
    .join('')
}
