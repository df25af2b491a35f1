import { EKS_AUTH_ROUTES } from '../eks-auth/assume-role.ts'
import { EKS_ROUTES } from '../eks/eks.ts'
import { type Incoming, scopedService } from '../request.ts'
import { readAddress } from '../s3/address.ts'
import { findOperation } from '../s3/s3.ts'
import { readTarget } from '../target-service.ts'
import { findRoute } from '../wire/json.ts'

/** What a request asks for, before anything of it is judged. */
export interface NamedOperation {
  /** `sts`, `iam`, `eks`, … */
  readonly service: string
  /** `unknown` where it names none. */
  readonly operation: string
}

const UNKNOWN = 'unknown'
const IAM_VERSION = '2010-05-08'

/** The service and operation that a request names, by the family of services it was routed to. */
export function namedOperation(
  incoming: Incoming,
  family: 'query' | 'eks' | 'eks-auth' | 's3' | 'target' | 'ec2',
): NamedOperation {
  const { request, url, signature } = incoming
  switch (family) {
    case 'query': {
      const unscoped = formValue(incoming, 'Version') === IAM_VERSION ? 'iam' : 'sts'
      const service = scopedService(signature) ?? unscoped
      return { service, operation: formValue(incoming, 'Action') ?? UNKNOWN }
    }
    case 'ec2':
      return { service: 'ec2', operation: formValue(incoming, 'Action') ?? UNKNOWN }
    case 'eks':
    case 'eks-auth': {
      const routes = family === 'eks' ? EKS_ROUTES : EKS_AUTH_ROUTES
      const found = findRoute(routes, request.method, url.pathname)
      return { service: family, operation: found?.route.operation ?? UNKNOWN }
    }
    case 'target': {
      const target = readTarget(request.headers.get('x-amz-target'))
      return { service: target?.service.name ?? UNKNOWN, operation: target?.operation ?? UNKNOWN }
    }
    case 's3': {
      const address = readAddress(request.headers.get('host') ?? url.host, url.pathname)
      const at = { bucket: address?.bucket ?? '', key: address?.key ?? '' }
      const found = findOperation(request.method, at, url.searchParams, request.headers)
      return { service: 's3', operation: found?.name ?? UNKNOWN }
    }
    default:
      return family satisfies never
  }
}

/** A parameter of the query protocol, of the form or of the query string. */
function formValue({ body, url }: Incoming, name: string): string | undefined {
  const form = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1')
  const pattern = new RegExp(`(?:^|&)${name}=([\\w-]+)(?:&|$)`)
  return pattern.exec(form)?.[1] ?? pattern.exec(url.search.slice(1))?.[1]
}
