import { stringify as stringifyYaml } from 'yaml'
import { jsonResponse } from '../../lib/handler.ts'
import { notAcceptable } from './faults.ts'

/** How a client wants objects: whole, as a table's rows, or their metadata alone. */
export type Shape = 'object' | 'table' | 'metadata'

export interface Negotiated {
  readonly shape: Shape
  readonly isYaml: boolean
  /** `v2` where a client takes discovery in one document. */
  readonly aggregated: boolean
}

const SERVED = ['application/json', 'application/yaml']
const SHAPES: Readonly<Record<string, Shape>> = {
  Table: 'table',
  PartialObjectMetadata: 'metadata',
  PartialObjectMetadataList: 'metadata',
}

/**
 * The first of the Accept header's media types that is served.
 * @throws ApiFault NotAcceptable
 */
export function negotiate(request: Request): Negotiated {
  const header = request.headers.get('accept') ?? ''
  if (header.trim() === '') return { shape: 'object', isYaml: false, aggregated: false }
  for (const range of header.split(',').slice(0, 50)) {
    const [type = '', ...rest] = range.split(';').map((part) => part.trim().toLowerCase())
    const isYaml = type === 'application/yaml'
    if (!isYaml && !['application/json', 'application/*', '*/*'].includes(type)) continue
    const as = /;\s*as=([A-Za-z]+)/i.exec(range)?.[1]
    if (as === undefined) return { shape: 'object', isYaml, aggregated: false }
    if (as === 'APIGroupDiscoveryList' && rest.includes('v=v2')) {
      return { shape: 'object', isYaml, aggregated: true }
    }
    const shape = Object.hasOwn(SHAPES, as) ? SHAPES[as] : undefined
    if (shape !== undefined && rest.includes('v=v1')) return { shape, isYaml, aggregated: false }
  }
  throw notAcceptable(SERVED)
}

/** An answer in the negotiated language. */
export function encodedResponse(value: unknown, status: number, negotiated: Negotiated): Response {
  if (!negotiated.isYaml) return jsonResponse(value, status)
  return new Response(stringifyYaml(value, { aliasDuplicateObjects: false }), {
    status,
    headers: { 'content-type': 'application/yaml' },
  })
}
