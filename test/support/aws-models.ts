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
  /** No element: the parser leaves attributes out. */
  readonly xmlAttribute?: boolean
}

interface Shape {
  readonly type: string
  readonly members?: Readonly<Record<string, Member>>
  readonly member?: Member
  readonly value?: Member
  readonly required?: readonly string[]
  readonly enum?: readonly string[]
  /** Of a list: its items stand by themselves. */
  readonly flattened?: boolean
  /** Of an output: the member that is the whole body. */
  readonly payload?: string
}

interface Operation {
  readonly name: string
  readonly deprecated?: boolean
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
  // S3 tells operations of one path apart by names in the query: the path's own and the members
  // that must be there.
  const namesOf = ({ http, input }: Operation): string[] => {
    const own = (http.requestUri.split('?')[1] ?? '').split('&').filter((name) => name !== '')
    const { required = [], members = {} } = model.shapes[input?.shape ?? ''] ?? {}
    const needed = required.flatMap((name) => {
      const { location, locationName = name } = members[name] ?? {}
      return location === 'querystring' ? [locationName] : []
    })
    return [...own, ...needed]
  }
  const isCopy = ({ input }: Operation): boolean =>
    model.shapes[input?.shape ?? '']?.required?.includes('CopySource') === true
  return Object.values(model.operations)
    .filter((one) => one.deprecated !== true && isCopy(one) === exchange.isCopy)
    .filter(({ http }) => http.method === exchange.method && isPath(http.requestUri, path))
    .filter((operation) =>
      namesOf(operation).every((name) => asked.has(name.split('=')[0] ?? name)),
    )
    .toSorted((a, b) => namesOf(b).length - namesOf(a).length)[0]
}

function isPath(requestUri: string, path: string): boolean {
  const parts = (requestUri.split('?')[0] ?? '').split('/')
  // An SDK may write a bucket's path with a slash at its end.
  const segments = path.replace(/(?<=.)\/$/, '').split('/')
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
  if (protocol === 'rest-xml') {
    checkRestXml({ model, faults, isXml: true, items: 'member' }, operation, exchange.response)
    return faults
  }
  const root = parseXml(exchange.response)?.[`${operation.name}Response`]
  if (!isRecord(root)) return [`${operation.name}: no ${operation.name}Response`]
  const wire = { model, faults, isXml: true, items: protocol === 'ec2' ? 'item' : 'member' }
  const wrapper = output?.resultWrapper
  const { requestId: _id, ResponseMetadata: _metadata, ...rest } = root
  const result = wrapper === undefined ? rest : root[wrapper]
  if (output !== undefined) checkShape(wire, output.shape, result ?? {}, operation.name)
  return faults
}

/** A body of S3's: the content of its one element is the output, or the member that it stands for. */
function checkRestXml(wire: Wire, operation: Operation, response: string): void {
  const { model, faults } = wire
  const name = operation.output?.shape ?? ''
  const output = model.shapes[name]
  const payload = output?.members?.[output.payload ?? '']
  const shape = payload?.shape ?? name
  const roots = Object.values(parseXml(response) ?? {})
  // An object's own bytes may look like XML, and GetBucketLocation's one text is its whole answer.
  if (model.shapes[shape]?.type !== 'structure' || typeof roots[0] === 'string') return
  if (roots.length === 1) checkShape(wire, shape, roots[0], operation.name)
  else faults.push(`${operation.name}: no XML of one element`)
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
    ([, { location, xmlAttribute }]) => location === undefined && xmlAttribute !== true,
  )
  const known = new Map(
    inBody.map(([name, member]) => [elementOf(wire, name, member), member.shape]),
  )
  for (const [key, one] of Object.entries(value)) {
    const member = known.get(key)
    if (member === undefined) wire.faults.push(`${at}.${key}: not in the model`)
    else checkShape(wire, member, one, `${at}.${key}`)
  }
  for (const [name, member] of inBody) {
    if (shape.required?.includes(name) !== true) continue
    if (!Object.hasOwn(value, elementOf(wire, name, member)))
      wire.faults.push(`${at}.${name}: missing`)
  }
}

/** How a member is called on the wire; a flattened list may name its items instead of itself. */
function elementOf(wire: Wire, name: string, member: Member): string {
  const list = wire.model.shapes[member.shape]
  const items = list?.flattened === true ? list.member?.locationName : undefined
  return member.locationName ?? items ?? name
}

function checkList(wire: Wire, shape: Shape, value: unknown, at: string): void {
  const member = shape.member?.shape ?? ''
  if (!wire.isXml) {
    if (!Array.isArray(value)) wire.faults.push(`${at}: no list`)
    else for (const one of value as unknown[]) checkShape(wire, member, one, `${at}[]`)
    return
  }
  if (value === '') return
  if (shape.flattened === true) {
    for (const one of Array.isArray(value) ? value : [value]) {
      checkShape(wire, member, one, `${at}[]`)
    }
    return
  }
  const items = isRecord(value) ? value[shape.member?.locationName ?? wire.items] : undefined
  if (items === undefined) {
    wire.faults.push(`${at}: no list of ${wire.items}`)
    return
  }
  for (const one of Array.isArray(items) ? items : [items]) checkShape(wire, member, one, `${at}[]`)
}
