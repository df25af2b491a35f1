import { PodroleError } from '../../lib/errors.ts'
import { formatJsonDocument } from '../json-text.ts'
import { memberOf, readTrustText, textOf } from '../trust-statements.ts'
import { readBox, type TrustBox, writeBox } from './box.ts'
import { statementTexts } from './statement-texts.ts'

/**
 * A trust policy cut into several, for as many roles, each of `quota` characters at most; the text
 * itself where it fits. Every Deny stands in each of them, what is not understood in the first;
 * a statement that does not fit is cut along its longest list.
 * @throws PodroleError `TrustPolicyTooLong`: not even one value fits beside what must be there
 */
export function shardTrust(text: string, quota: number): readonly string[] {
  if (text.length <= quota) return [text]
  const { root, statements } = readTrustText(text)
  const read = statementTexts(text).map((piece, at) => {
    const node = statements[at] ?? { kind: 'null' }
    const box = readBox(node, at)
    const isDeny = textOf(memberOf(node, 'Effect')) === 'Deny'
    return { piece, isDeny, box: typeof box === 'string' ? undefined : box }
  })
  const denies = read.flatMap(({ isDeny, piece }) => (isDeny ? [piece] : []))
  const others = read.flatMap(({ box, isDeny, piece }) => (isDeny || box ? [] : [piece]))
  const write = (pieces: readonly string[]): string => {
    const members = root.members.map(({ key, value }) => {
      const written = key === 'Statement' ? `[${pieces.join(',')}]` : formatJsonDocument(value)
      return `${JSON.stringify(key)}:${written}`
    })
    return `{${members.join(',')}}`
  }
  const fits = (pieces: readonly string[]): boolean => write(pieces).length <= quota
  if (!fits([...denies, ...others])) throw tooLong(write([...denies, ...others]).length, quota)
  const shards: (readonly string[])[] = [[...denies, ...others]]
  const place = (box: TrustBox, piece: string): void => {
    const at = shards.findIndex((pieces) => fits([...pieces, piece]))
    if (at !== -1) shards[at] = [...(shards[at] ?? []), piece]
    else if (fits([...denies, piece])) shards.push([...denies, piece])
    else {
      const halves = halvesOf(box)
      if (halves.length === 0) throw tooLong(write([...denies, piece]).length, quota)
      for (const half of halves) place(half, writeBox(half))
    }
  }
  for (const { box, piece } of read) if (box !== undefined) place(box, piece)
  return shards.filter((pieces) => pieces.length > denies.length).map(write)
}

/** The statement cut along its longest list; none where every list has one value. */
function halvesOf(box: TrustBox): readonly TrustBox[] {
  const [longest] = [...box.lists].toSorted(([, one], [, other]) => other.length - one.length)
  const [name = '', values = []] = longest ?? []
  if (values.length < 2) return []
  const middle = Math.ceil(values.length / 2)
  return [values.slice(0, middle), values.slice(middle)].map((half) => ({
    ...box,
    lists: new Map([...box.lists, [name, half]]),
  }))
}

const tooLong = (characters: number, quota: number): PodroleError =>
  new PodroleError(
    'TrustPolicyTooLong',
    `no smaller trust policy has fewer than ${characters} characters, and ${quota} are allowed`,
    { hint: 'Ask for a higher quota: AWS grants up to 8,192 at once.' },
  )
