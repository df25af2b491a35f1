/** AWS's own service models, out of botocore, and what of an exchange does not keep to them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { isRecord, parseXml } from '../../src/sandbox/aws/wire/xml.ts'
import type { Exchange } from '../../src/sandbox/aws/wire-record.suite.ts'

interface Member {
  readonly shape: string
  readonly location?: string
  readonly locationName?: string
}

interface Shape {
  readonly type: string
  readonly members?: Readonly<Record<string, Member>>
  readonly member?: Member
  readonly value?: Member
  readonly required?: readonly string[]
  readonly enum?: readonly string[]
}

interface Operation {
  readonly name: string
  readonly http: { readonly method: string; readonly requestUri: string }
  readonly input?: { readonly shape: string }
  readonly output?: { readonly shape: string; readonly resultWrapper?: string }
}

export interface Model {
  readonly metadata: { readonly protocol: string; readonly targetPrefix?: string }
  readonly operations: Readonly<Record<string, Operation>>
  readonly shapes: Readonly<Record<string, Shape>>
}

/** botocore's folders where they are not called as in a signature. */
const FOLDERS: Readonly<Record<string, string>> = { servicequotas: 'service-quotas' }

/** The newest model of a service, out of a Python environment's botocore. */
export function readModel(bin: string, service: string): Model {
  const lib = join(dirname(bin), 'lib')
  const python = readdirSync(lib).find((name) => name.startsWith('python3')) ?? ''
  const data = join(lib, python, 'site-packages', 'botocore', 'data', FOLDERS[service] ?? service)
  const version = readdirSync(data).toSorted().at(-1) ?? ''
  const packed = join(data, version, 'service-2.json.gz')
  const bytes = existsSync(packed)
    ? gunzipSync(readFileSync(packed))
    : readFileSync(join(data, version, 'service-2.json'))
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as Model
}

/** The operation that an exchange asked for, by the model's own address of it. */
export function operationOf(model: Model, exchange: Exchange): Operation | undefined {
  const { protocol } = model.metadata
  if (protocol === 'json') return model.operations[exchange.operation.split('.').at(-1) ?? '']
  if (protocol === 'query' || protocol === 'ec2') {
    const [, query = ''] = exchange.target.split('?')
    const form = new URLSearchParams(`${query}&${exchange.request}`)
    return model.operations[form.get('Action') ?? '']
  }
  const [path = '', query = ''] = exchange.target.split('?')
  const asked = new URLSearchParams(query)
  // S3 tells operations of one path apart by names in the query.
  const namesOf = ({ http }: Operation): string[] =>
    (http.requestUri.split('?')[1] ?? '').split('&').filter((name) => name !== '')
  return Object.values(model.operations)
    .filter(({ http }) => http.method === exchange.method && isPath(http.requestUri, path))
    .filter((operation) =>
      namesOf(operation).every((name) => asked.has(name.split('=')[0] ?? name)),
    )
    .toSorted((a, b) => namesOf(b).length - namesOf(a).length)[0]
}

function isPath(requestUri: string, path: string): boolean {
  const parts = (requestUri.split('?')[0] ?? '').split('/')
  const segments = path.split('/')
  // A label with `+` takes the rest of the path, slashes and all.
  const isOpen = parts.at(-1)?.endsWith('+}') === true
  if (isOpen ? segments.length < parts.length : segments.length !== parts.length) return false
  return parts.every((part, index) =>
    part.startsWith('{') ? segments[index] !== '' : part === segments[index],
  )
}

/** What of a good answer, and of its JSON request, the model does not know. */
export function exchangeFaults(
  model: Model,
  operation: Operation,
  exchange: Exchange,
): readonly string[] {
  const faults: string[] = []
  const { protocol } = model.metadata
  const { output, input } = operation
  if (protocol === 'json' || protocol === 'rest-json') {
    const wire = { model, faults, isXml: false, items: '' }
    // Tests send EKS Auth more than it knows, on purpose.
    if (input !== undefined && exchange.request !== '' && exchange.service !== 'eks-auth') {
      checkShape(wire, input.shape, JSON.parse(exchange.request), `${operation.name} request`)
    }
    const answer: unknown = exchange.response === '' ? {} : JSON.parse(exchange.response)
    if (output !== undefined) checkShape(wire, output.shape, answer, operation.name)
    return faults
  }
  if (!exchange.response.startsWith('<')) return faults
  const root = parseXml(exchange.response)?.[`${operation.name}Response`]
  if (!isRecord(root)) return [`${operation.name}: no ${operation.name}Response`]
  const wire = { model, faults, isXml: true, items: protocol === 'ec2' ? 'item' : 'member' }
  const wrapper = output?.resultWrapper
  const { requestId: _id, ResponseMetadata: _metadata, ...rest } = root
  const result = wrapper === undefined ? rest : root[wrapper]
  if (output !== undefined) checkShape(wire, output.shape, result ?? {}, operation.name)
  return faults
}

interface Wire {
  readonly model: Model
  readonly faults: string[]
  readonly isXml: boolean
  /** The element of a list's items. */
  readonly items: string
}

const SCALARS: Readonly<Record<string, string>> = {
  string: 'string',
  blob: 'string',
  boolean: 'boolean',
  integer: 'number',
  long: 'number',
  double: 'number',
  float: 'number',
  timestamp: 'number',
}

function checkShape(wire: Wire, name: string, value: unknown, at: string): void {
  const shape = wire.model.shapes[name]
  if (shape === undefined || value === undefined || value === null) return
  if (shape.type === 'structure') return checkStructure(wire, shape, value, at)
  if (shape.type === 'list') return checkList(wire, shape, value, at)
  if (shape.type === 'map') {
    if (wire.isXml) return
    if (!isRecord(value)) wire.faults.push(`${at}: no map`)
    else
      for (const [key, one] of Object.entries(value))
        checkShape(wire, shape.value?.shape ?? '', one, `${at}.${key}`)
    return
  }
  const wanted = SCALARS[shape.type]
  if (!wire.isXml && wanted !== undefined && typeof value !== wanted) {
    wire.faults.push(`${at}: ${typeof value} in place of ${shape.type}`)
  }
  if (shape.enum !== undefined && typeof value === 'string' && !shape.enum.includes(value)) {
    wire.faults.push(`${at}: ${JSON.stringify(value)} is not one of ${shape.enum.join(', ')}`)
  }
}

function checkStructure(wire: Wire, shape: Shape, value: unknown, at: string): void {
  if (wire.isXml && value === '') return
  if (!isRecord(value)) {
    wire.faults.push(`${at}: no structure`)
    return
  }
  const inBody = Object.entries(shape.members ?? {}).filter(
    ([, { location }]) => location === undefined,
  )
  const known = new Map(inBody.map(([name, member]) => [member.locationName ?? name, member.shape]))
  for (const [key, one] of Object.entries(value)) {
    const member = known.get(key)
    if (member === undefined) wire.faults.push(`${at}.${key}: not in the model`)
    else checkShape(wire, member, one, `${at}.${key}`)
  }
  for (const name of shape.required ?? []) {
    const member = shape.members?.[name]
    if (member === undefined || member.location !== undefined) continue
    if (!Object.hasOwn(value, member.locationName ?? name))
      wire.faults.push(`${at}.${name}: missing`)
  }
}

function checkList(wire: Wire, shape: Shape, value: unknown, at: string): void {
  const member = shape.member?.shape ?? ''
  if (!wire.isXml) {
    if (!Array.isArray(value)) wire.faults.push(`${at}: no list`)
    else for (const one of value as unknown[]) checkShape(wire, member, one, `${at}[]`)
    return
  }
  if (value === '') return
  const items = isRecord(value) ? value[shape.member?.locationName ?? wire.items] : undefined
  if (items === undefined) {
    wire.faults.push(`${at}: no list of ${wire.items}`)
    return
  }
  for (const one of Array.isArray(items) ? items : [items]) checkShape(wire, member, one, `${at}[]`)
}
