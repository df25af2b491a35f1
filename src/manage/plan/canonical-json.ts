import { type JsonNode, parseJsonDocument } from '../../iam/json-document.ts'

/**
 * A JSON value in one spelling of many: members by name, and an array as IAM reads it in a policy,
 * where one value may stand without its array and the order of several says nothing.
 */
export function canonicalJson(node: JsonNode): string {
  switch (node.kind) {
    case 'object': {
      const members = node.members.map(
        ({ key, value }) => `${JSON.stringify(key)}:${canonicalJson(value)}`,
      )
      return `{${members.sort().join(',')}}`
    }
    case 'array': {
      const items = node.items.map(canonicalJson)
      return items.length === 1 ? (items[0] ?? '') : `[${items.sort().join(',')}]`
    }
    case 'string':
      return JSON.stringify(node.value)
    case 'number':
      // IAM takes numbers and booleans with quotes or without.
      return JSON.stringify(node.text)
    case 'boolean':
      return JSON.stringify(String(node.value))
    case 'null':
      return 'null'
    default:
      return node satisfies never
  }
}

/** Whether two texts are the same policy; what is no JSON is the same as itself alone. */
export function isSamePolicy(one: string | undefined, other: string | undefined): boolean {
  if (one === other) return true
  if (one === undefined || other === undefined) return false
  try {
    return canonicalJson(parseJsonDocument(one)) === canonicalJson(parseJsonDocument(other))
  } catch {
    return false
  }
}
