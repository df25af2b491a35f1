/** Whether custom resources have the fields of ACK's own types, and no others. */
import { parseAllDocuments } from 'yaml'
import own from '../../src/manage/import/ack/testdata/fields.json'

export interface AckResource {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly annotations: Readonly<Record<string, string>>
  }
  readonly spec: Readonly<Record<string, unknown>>
}

type Kind = keyof typeof own.kinds

export const ackResources = (text: string): readonly AckResource[] =>
  parseAllDocuments(text).map((document) => document.toJS() as AckResource)

/** What is wrong with it by the definitions of its type. */
export function ackFaults({ apiVersion, kind, metadata, spec }: AckResource): readonly string[] {
  const type = Object.hasOwn(own.kinds, kind) ? own.kinds[kind as Kind] : undefined
  if (type === undefined) return [`${kind} is no kind of ACK`]
  const faults = type.required.filter((name) => !Object.hasOwn(spec, name))
  const adoption = metadata.annotations['services.k8s.aws/adoption-fields'] ?? '{}'
  const named = Object.keys(JSON.parse(adoption) as object).sort()
  return [
    ...(apiVersion === type.apiVersion ? [] : [`${kind}: ${apiVersion}`]),
    ...faults.map((name) => `${kind} has no ${name}`),
    ...(named.join() === type.adoptionFields.toSorted().join() ? [] : [`${kind}: ${adoption}`]),
    ...valueFaults(kind, spec, type.fields),
  ]
}

function valueFaults(path: string, value: unknown, type: unknown): readonly string[] {
  const is = Array.isArray(value) ? 'array' : typeof value
  if (typeof type === 'string') {
    if (type === 'map') {
      const texts = is === 'object' && Object.values(value ?? {})
      return texts && texts.every((text) => typeof text === 'string') ? [] : [`${path} is no map`]
    }
    const isOf = type === 'integer' ? Number.isInteger(value) : is === type
    return isOf ? [] : [`${path} is ${is}, not ${type}`]
  }
  if (Array.isArray(type)) {
    const item: unknown = type[0]
    if (!Array.isArray(value)) return [`${path} is ${is}, not a list`]
    return value.flatMap((one: unknown, at) => valueFaults(`${path}[${at}]`, one, item))
  }
  const known = type as Readonly<Record<string, unknown>>
  return Object.entries(value as object).flatMap(([name, one]) =>
    Object.hasOwn(known, name)
      ? valueFaults(`${path}.${name}`, one, known[name])
      : [`${path} has no field ${name}`],
  )
}
