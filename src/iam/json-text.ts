import type { JsonNode } from './json-document.ts'

/**
 * The text of a JSON value, without white space or, with `indent` spaces a level, over lines.
 * Reading it gives the same node back: order, members that occur twice and the digits of numbers.
 * Characters above U+00FF, which IAM refuses in a policy's text, are written as escapes.
 */
export function formatJsonDocument(node: JsonNode, indent = 0): string {
  return formatNode(node, indent === 0 ? undefined : ' '.repeat(indent), '')
}

/** The node of a plain value: strings, numbers, booleans, null, arrays and objects of such. */
export function jsonNodeOf(value: unknown): JsonNode {
  if (typeof value === 'string') return { kind: 'string', value }
  if (typeof value === 'boolean') return { kind: 'boolean', value }
  if (typeof value === 'number') return { kind: 'number', text: String(value) }
  if (Array.isArray(value)) return { kind: 'array', items: value.map(jsonNodeOf) }
  if (typeof value !== 'object' || value === null) return { kind: 'null' }
  const members = Object.entries(value).map(([key, item]) => ({ key, value: jsonNodeOf(item) }))
  return { kind: 'object', members }
}

function formatNode(node: JsonNode, step: string | undefined, margin: string): string {
  switch (node.kind) {
    case 'string':
      return quote(node.value)
    case 'number':
      return node.text
    case 'boolean':
      return String(node.value)
    case 'null':
      return 'null'
    case 'array': {
      const items = node.items.map((item) => formatNode(item, step, deeper(margin, step)))
      return enclose('[', items, ']', { step, margin })
    }
    case 'object': {
      const colon = step === undefined ? ':' : ': '
      const members = node.members.map(
        ({ key, value }) => quote(key) + colon + formatNode(value, step, deeper(margin, step)),
      )
      return enclose('{', members, '}', { step, margin })
    }
    default:
      return node satisfies never
  }
}

const deeper = (margin: string, step: string | undefined): string => margin + (step ?? '')

function enclose(
  open: string,
  parts: readonly string[],
  close: string,
  at: { readonly step: string | undefined; readonly margin: string },
): string {
  if (at.step === undefined || parts.length === 0) return open + parts.join(',') + close
  const inner = at.margin + at.step
  return `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${at.margin}${close}`
}

const quote = (text: string): string =>
  JSON.stringify(text).replaceAll(
    /[\u0100-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
