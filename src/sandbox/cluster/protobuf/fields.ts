/**
 * What the decoder knows of Kubernetes' protobuf messages: `fields.json`, made from the
 * `generated.proto` files of k8s.io/api (Apache-2.0; the notice stands in the file).
 */
import table from './fields.json' with { type: 'json' }

/**
 * `kinds` names the message of `GROUP/VERSION/KIND`; `messages` holds each message's fields as
 * `NUMBER NAME TYPE FLAGS`. TYPE is a message's name or a letter: s string, i integer, b boolean,
 * y bytes, d double, q quantity, o int-or-string, r raw JSON, t time, u time with microseconds.
 * FLAGS are letters: l list, m map of strings to TYPE, e embedded (its fields are the holder's
 * own), a (the message stands for this list), k (JSON shows it when it is empty too).
 */
export interface FieldTable {
  readonly notice: string
  readonly kinds: Readonly<Record<string, string>>
  readonly messages: Readonly<Record<string, readonly string[]>>
}

export interface Field {
  readonly name: string
  readonly type: string
  readonly isList: boolean
  readonly isMap: boolean
  readonly isEmbedded: boolean
  readonly isAlias: boolean
  readonly keepsEmpty: boolean
}

export type Message = ReadonlyMap<number, Field>

const { kinds, messages }: FieldTable = table
const read = new Map<string, Message>()

/** The fields of a message by number, or undefined where there is no such message. */
export function messageNamed(name: string): Message | undefined {
  const known = read.get(name)
  if (known !== undefined) return known
  const lines = Object.hasOwn(messages, name) ? messages[name] : undefined
  if (lines === undefined) return undefined
  const made = new Map(lines.map(readField))
  read.set(name, made)
  return made
}

/** The name of the message that carries a kind; every group has DeleteOptions as its own. */
export function messageOfKind(apiVersion: string, kind: string): string | undefined {
  const key = kind === 'DeleteOptions' ? kind : `${apiVersion}/${kind}`
  return Object.hasOwn(kinds, key) ? kinds[key] : undefined
}

function readField(line: string): [number, Field] {
  const [number = '', name = '', type = '', flags = ''] = line.split(' ')
  return [
    Number(number),
    {
      name,
      type,
      isList: flags.includes('l'),
      isMap: flags.includes('m'),
      isEmbedded: flags.includes('e'),
      isAlias: flags.includes('a'),
      keepsEmpty: flags.includes('k'),
    },
  ]
}
