import { type Handler, textResponse } from '../../lib/handler.ts'
import { s3Handler } from './dispatch.ts'
import { isS3Host } from './s3/address.ts'
import type { World } from './world.ts'

const SANDBOX_DOMAIN = '.issuer.sandbox'
const HOST = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+issuer\.sandbox$/

/** The name under which an issuer of the sandbox is found: `NAME` or `NAME.issuer.sandbox`. */
export function issuerHostOf(name: string): string {
  const host = name.toLowerCase()
  const full = host.endsWith(SANDBOX_DOMAIN) ? host : host + SANDBOX_DOMAIN
  if (HOST.test(full)) return full
  throw new Error(`issuer host ${JSON.stringify(name)} is not a name below issuer.sandbox`)
}

/** What is served over HTTPS by name: S3 path style, EKS's issuers and the sandbox's own. */
export function createSecureHandler(world: World, issuers: ReadonlyMap<string, Handler>): Handler {
  const s3 = s3Handler(world)
  return (request, client) => {
    const url = new URL(request.url)
    const host = (request.headers.get('host') ?? url.host).toLowerCase().replace(/:\d+$/, '')
    if (isS3Host(host)) return s3(request, client)
    const app = issuers.get(host) ?? clusterIssuer(world, host, url.pathname)
    return app === undefined ? textResponse('Not Found\n', 404) : app(request, client)
  }
}

/** The issuer of a cluster whose URL the path begins with. */
function clusterIssuer(world: World, host: string, pathname: string): Handler | undefined {
  for (const runtime of world.runtimes.values()) {
    const issuer = new URL(runtime.issuer)
    const base = issuer.pathname.replace(/\/$/, '')
    if (issuer.hostname === host && pathname.startsWith(`${base}/`)) return runtime.issuerApp
  }
  return undefined
}
