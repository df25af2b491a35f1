import { randomUUID } from 'node:crypto'
import { readSignature } from '../../aws/sigv4-verify.ts'
import { type Handler, textResponse } from '../../lib/handler.ts'
import { answerEc2 } from './ec2/ec2.ts'
import { ADMIN_PATH, ADMIN_SERVICE, answerAdmin } from './faults/admin.ts'
import { answerWithFaults } from './faults/apply.ts'
import { namedOperation } from './faults/operation.ts'
import { answerJson } from './json-service.ts'
import { answerQuery } from './query-service.ts'
import { answerS3 } from './s3-service.ts'
import { isS3Host } from './s3/address.ts'
import { MAX_OBJECT_BYTES } from './s3/request.ts'
import { type Incoming, scopedService, wireOf } from './request.ts'
import { answerTarget, readTarget } from './target-service.ts'
import { readBody } from './wire/body.ts'
import { unknownServiceResponse } from './unknown-service.ts'
import type { World } from './world.ts'

/** Most bytes of a body, by service; STS answers more with 413. */
const MAX_QUERY_BYTES = 10_000_000
const MAX_JSON_BYTES = 1 << 20
/** Framing and trailers around the largest object. */
const MAX_S3_BYTES = MAX_OBJECT_BYTES + (1 << 20)

type Service = 'podrole' | 'query' | 'eks' | 'eks-auth' | 's3' | 'target' | 'ec2'

const LIMITS: Readonly<Record<Service, number>> = {
  podrole: MAX_JSON_BYTES,
  query: MAX_QUERY_BYTES,
  eks: MAX_JSON_BYTES,
  'eks-auth': MAX_JSON_BYTES,
  s3: MAX_S3_BYTES,
  target: MAX_JSON_BYTES,
  ec2: MAX_JSON_BYTES,
}

/** Every service on one address: told apart by the signature's scope, else by what is asked. */
export function dispatchHandler(world: World): Handler {
  return (request, client) => {
    const url = new URL(request.url)
    const wire = wireOf(request, url)
    const signature = readSignature(wire)
    const scoped = scopedService(signature)
    const service = scoped === undefined ? guessService(request, url) : SCOPES[scoped]
    if (service === undefined) {
      return unknownServiceResponse(request, scoped ?? '')
    }
    return answer(world, { request, url, client, secure: false, service, wire, signature })
  }
}

/** S3 alone, over TLS. */
export function s3Handler(world: World): Handler {
  return (request, client) => {
    const url = new URL(request.url)
    const wire = wireOf(request, url)
    const signature = readSignature(wire)
    return answer(world, { request, url, client, secure: true, service: 's3', wire, signature })
  }
}

const SCOPES: Readonly<Record<string, Service | undefined>> = Object.assign(
  Object.create(null) as Record<string, Service | undefined>,
  {
    [ADMIN_SERVICE]: 'podrole',
    sts: 'query',
    iam: 'query',
    eks: 'eks',
    'eks-auth': 'eks-auth',
    s3: 's3',
    ec2: 'ec2',
    kms: 'target',
    servicequotas: 'target',
    cloudtrail: 'target',
  } as const,
)

/** Requests without a readable signature. */
function guessService(request: Request, url: URL): Service {
  if (isS3Host(request.headers.get('host') ?? url.host)) return 's3'
  if (url.pathname.startsWith(ADMIN_PATH)) return 'podrole'
  if (readTarget(request.headers.get('x-amz-target')) !== undefined) return 'target'
  if (url.pathname === '/') {
    return request.method === 'POST' || url.searchParams.has('Action') ? 'query' : 's3'
  }
  if (/^\/clusters\/[^/]+\/assume-role-for-pod-identity$/.test(url.pathname)) return 'eks-auth'
  return /^\/clusters\/[^/]+\/pod-identity-associations(?:\/|$)/.test(url.pathname) ? 'eks' : 's3'
}

interface Routed extends Pick<
  Incoming,
  'request' | 'url' | 'client' | 'secure' | 'wire' | 'signature'
> {
  readonly service: Service
}

/** Dated by the sandbox's clock, by which an SDK whose clock is another corrects its signatures. */
async function answer(world: World, routed: Routed): Promise<Response> {
  const response = await answerUndated(world, routed)
  response.headers.set('date', new Date(world.clock.now()).toUTCString())
  return response
}

async function answerUndated(world: World, routed: Routed): Promise<Response> {
  const { service, ...told } = routed
  const body = await readBody(told.request, LIMITS[service])
  if (body === undefined) return textResponse('Request Entity Too Large\n', 413)
  const incoming: Incoming = { ...told, world, body, requestId: randomUUID() }
  if (service === 'podrole') return answerAdmin(incoming, world.faults.board)
  const named = namedOperation(incoming, service)
  return answerWithFaults(incoming, named, (call) => answerService(call, service))
}

function answerService(
  incoming: Incoming,
  service: Exclude<Service, 'podrole'>,
): Response | Promise<Response> {
  switch (service) {
    case 'query':
      return answerQuery(incoming)
    case 's3':
      return answerS3(incoming)
    case 'target':
      return answerTarget(incoming)
    case 'ec2':
      return answerEc2(incoming)
    case 'eks':
    case 'eks-auth':
      return answerJson(incoming, service)
    default:
      return service satisfies never
  }
}
