/** A place in a text, both counted from 1. */
export interface Position {
  readonly Line: number
  readonly Column: number
}

/** Where each statement of a policy document begins and where the character behind it is. */
export function statementPositions(
  text: string,
): readonly { readonly start: Position; readonly end: Position }[] {
  const found: { start: Position; end: Position }[] = []
  const opened: { readonly at: number; readonly isStatement: boolean }[] = []
  let key = ''
  let last = ''
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]
    if (character === '"') {
      const end = endOfString(text, at)
      last = text.slice(at + 1, end)
      at = end
    } else if (character === ':' && opened.length === 1) {
      key = last
    } else if (character === '{' || character === '[') {
      const inList = opened.length === 2 && text[opened[1]?.at ?? 0] === '['
      const isStatement =
        character === '{' && key === 'Statement' && (opened.length === 1 || inList)
      opened.push({ at, isStatement })
    } else if (character === '}' || character === ']') {
      const from = opened.pop()
      if (from?.isStatement !== true) continue
      found.push({ start: positionOf(text, from.at), end: positionOf(text, at + 1) })
    }
  }
  return found
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1
    else if (text[at] === '"') return at
  }
  return text.length
}

function positionOf(text: string, at: number): Position {
  const before = text.slice(0, at).split('\n')
  return { Line: before.length, Column: (before.at(-1) ?? '').length + 1 }
}
