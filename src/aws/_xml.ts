/** XML as AWS's query services answer with it: elements and texts, nothing else. */

export interface Element {
  readonly name: string
  readonly children: readonly Element[]
  /** Of the element itself, references resolved. */
  readonly text: string
}

interface Open {
  readonly name: string
  readonly children: Element[]
  text: string
}

const TOKEN = /<\?[^>]*\?>|<(\/?)([A-Za-z_][\w.:-]*)[^<>]*?(\/?)>|([^<]+)/gy
const MAX_DEPTH = 64

/** The root element; undefined for what is not such XML, or is nested deeper than 64. */
export function readXml(source: string): Element | undefined {
  const root: Open = { name: '', children: [], text: '' }
  const open: Open[] = [root]
  TOKEN.lastIndex = 0
  let end = 0
  for (let found = TOKEN.exec(source); found !== null; found = TOKEN.exec(source)) {
    end = TOKEN.lastIndex
    const [, closes, name, isEmpty, text] = found
    const top = open.at(-1)
    if (top === undefined) return undefined
    if (text !== undefined) top.text += resolve(text)
    if (name === undefined) continue
    if (closes === '/') {
      if (open.pop()?.name !== name || open.length === 0) return undefined
      continue
    }
    const element: Open = { name, children: [], text: '' }
    top.children.push(element)
    if (isEmpty === '') open.push(element)
    if (open.length > MAX_DEPTH) return undefined
  }
  const isWhole = end === source.length && open.length === 1 && root.children.length === 1
  return isWhole ? root.children[0] : undefined
}

const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

const resolve = (text: string): string =>
  text.replaceAll(/&(?:#x([\da-f]{1,6})|#(\d{1,7})|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return NAMED[name as string] ?? whole
    const point = Number.parseInt((hex ?? decimal) as string, hex === undefined ? 10 : 16)
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole
  })

export const childOf = (element: Element | undefined, name: string): Element | undefined =>
  element?.children.find((child) => child.name === name)

/** The text of a child; empty where there is none. */
export const textIn = (element: Element | undefined, name: string): string =>
  childOf(element, name)?.text.trim() ?? ''
