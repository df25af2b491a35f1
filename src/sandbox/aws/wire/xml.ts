import { XMLParser, XMLValidator } from 'fast-xml-parser'

/**
 * What an XML or JSON answer is made of. A Date becomes an ISO 8601 time in XML and epoch seconds
 * in JSON; undefined leaves the element out. A map becomes entries of `key` and `value` in XML.
 */
export type Node =
  | string
  | number
  | boolean
  | Date
  | undefined
  | readonly Node[]
  | ReadonlyMap<string, Node>
  | KeptNode
  | { readonly [name: string]: Node }

/** An element of an answer whose XML is written once: of a record, which never changes. */
export class KeptNode {
  readonly members: Readonly<Record<string, Node>>
  #xml: string | undefined

  constructor(members: Readonly<Record<string, Node>>) {
    this.members = members
  }

  get xml(): string {
    return (this.#xml ??= writeChildren(this.members))
  }
}

/** How arrays are written: inside one element as `member`s (query protocol), or repeated (S3). */
export type ListStyle = 'member' | 'flat'

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}

/** Nearly every text: nothing in it to escape or to drop. */
const PLAIN = /^[ !#-%(-;=?-~]*$/

/** Text that is safe inside an XML 1.0 element; characters that XML cannot hold are dropped. */
export function escapeXml(text: string): string {
  if (PLAIN.test(text)) return text
  return text
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '')
    .replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? '')
    .replaceAll('\r', '&#xD;')
}

/** An element with its content. Names are the program's own, never a caller's. */
export function writeElement(name: string, node: Node, lists: ListStyle = 'member'): string {
  if (node === undefined) return ''
  if (typeof node === 'string') return `<${name}>${escapeXml(node)}</${name}>`
  if (Array.isArray(node)) {
    const inner = lists === 'flat' ? name : 'member'
    let items = ''
    for (const item of node as readonly Node[]) items += writeElement(inner, item, lists)
    return lists === 'flat' ? items : `<${name}>${items}</${name}>`
  }
  if (node instanceof Date) return `<${name}>${isoSeconds(node)}</${name}>`
  if (node instanceof KeptNode) return `<${name}>${node.xml}</${name}>`
  if (node instanceof Map) {
    const entries = [...(node as ReadonlyMap<string, Node>)].map(([key, value]) =>
      writeElement('entry', { key, value }, lists),
    )
    return `<${name}>${entries.join('')}</${name}>`
  }
  if (typeof node === 'object') {
    return `<${name}>${writeChildren(node as Readonly<Record<string, Node>>, lists)}</${name}>`
  }
  return `<${name}>${escapeXml(String(node))}</${name}>`
}

/** The elements of an object, in its order. */
export function writeChildren(
  node: Readonly<Record<string, Node>>,
  lists: ListStyle = 'member',
): string {
  let elements = ''
  for (const name of Object.keys(node)) elements += writeElement(name, node[name], lists)
  return elements
}

/** The same answer as the JSON form of the query protocol: times are epoch seconds. */
export function toJson(node: Node): unknown {
  if (node instanceof Date) return node.getTime() / 1000
  if (node instanceof KeptNode) return toJson(node.members)
  if (node instanceof Map) return toJson(Object.fromEntries(node as ReadonlyMap<string, Node>))
  if (Array.isArray(node)) return node.map((item: Node) => toJson(item))
  if (typeof node === 'object') {
    return Object.fromEntries(
      Object.entries(node as Readonly<Record<string, Node>>)
        .filter(([, child]) => child !== undefined)
        .map(([name, child]) => [name, toJson(child)]),
    )
  }
  return node
}

/** Without `.123Z`, which every time ends with. */
const isoSeconds = (date: Date): string => `${date.toISOString().slice(0, -5)}Z`

const MAX_DEPTH = 16
/** A thousand keys to delete, and more than any other document here. */
const MAX_XML_CHARACTERS = 2_000_000

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
const REFERENCE = /&(?:#(\d{1,7})|#x([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos));/g

/** Replaces character references and the five entities that XML has of itself, once. */
function decodeReferences(text: string): string {
  return text.replaceAll(REFERENCE, (whole, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return NAMED[name] ?? whole
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
    const isCharacter = code > 0 && code <= 0x10_ff_ff && (code < 0xd8_00 || code > 0xdf_ff)
    return isCharacter ? String.fromCodePoint(code) : whole
  })
}

const ignore = (): void => undefined

const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  parseTagValue: false,
  processEntities: true,
  entityDecoder: {
    decode: decodeReferences,
    setExternalEntities: ignore,
    addInputEntities: ignore,
    setXmlVersion: ignore,
    reset: ignore,
  },
  trimValues: false,
  ignoreDeclaration: true,
})

/**
 * A small request body as plain objects, texts as strings, or undefined where it is no XML.
 * Document types (and so entities of the sender's own) are refused, as is nesting past 16.
 */
export function parseXml(text: string): Readonly<Record<string, unknown>> | undefined {
  if (text.length > MAX_XML_CHARACTERS) return undefined
  if (/<!(?!\[CDATA\[|--)/i.test(text) || tooDeep(text)) return undefined
  try {
    if (XMLValidator.validate(text) !== true) return undefined
    const parsed: unknown = parser.parse(text)
    return isRecord(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

/** The child elements of that name: none, one, or many, always as an array. */
export function childrenOf(node: unknown, name: string): readonly unknown[] {
  if (!isRecord(node) || !Object.hasOwn(node, name)) return []
  const child = node[name]
  return Array.isArray(child) ? child : [child]
}

/** The trimmed text of the one child of that name. */
export function textOf(node: unknown, name: string): string | undefined {
  const [child] = childrenOf(node, name)
  return typeof child === 'string' ? child.trim() : undefined
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function tooDeep(text: string): boolean {
  let depth = 0
  for (const [tag] of text.matchAll(/<[^<>]*>/g)) {
    if (tag.startsWith('</')) depth -= 1
    else if (!tag.endsWith('/>') && !tag.startsWith('<?') && !tag.startsWith('<!')) depth += 1
    if (depth > MAX_DEPTH) return true
  }
  return false
}
