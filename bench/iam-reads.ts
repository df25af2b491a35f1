/** Signed reads of the sandbox's IAM among 2,000 roles, each beside two floors. */
import { readSignature, verifySignature } from '../src/aws/sigv4-verify.ts'
import { systemClock } from '../src/lib/clock.ts'
import type { Handler } from '../src/lib/handler.ts'
import { serveHttp } from '../src/lib/serve.ts'
import { type Aws, createAws } from '../src/sandbox/aws/aws.ts'
import { createIssuerNames } from '../src/issuer/outside/issuer-names.ts'
import { State } from '../src/sandbox/state.ts'
import { ACCOUNT, REGION } from './fixtures.ts'
import { callIam, type IamParameters, roleParameters, ROLES, signIamCall } from './iam-calls.ts'
import {
  bareFloor,
  type Bench,
  compareServers,
  type Comparison,
  droppingLog,
  type Floor,
} from './measure.ts'

const PROVIDERS = 100
/** Different ones of each kind, asked for in turn. */
const VARIETY = 50

export async function measureIamReads(bench: Bench): Promise<Comparison[]> {
  const aws = createAws({
    state: new State(),
    clock: systemClock,
    log: droppingLog,
    accountIds: [ACCOUNT],
    region: REGION,
    names: createIssuerNames(),
  })
  const server = serveHttp({ hostname: '127.0.0.1', port: 0, handler: aws.handler })
  try {
    await fill(aws, server.url)
    const found: Comparison[] = []
    for (const [name, expected, all] of await readsOf(aws, server.url)) {
      const requests = await Promise.all(all.map((one) => signIamCall(aws.adminCredentials(), one)))
      const measure = { name: `sandbox: IAM ${name}`, url: server.url, requests, expected }
      for (const floor of [bareFloor(bench, 'http'), signatureFloor(aws)]) {
        found.push(await compareServers(bench, { ...measure, floor }))
      }
    }
    return found
  } finally {
    await server.stop(0)
  }
}

async function fill(aws: Aws, url: string): Promise<void> {
  aws.setQuota({ name: 'roles', accountId: '*', value: ROLES })
  for (let number = 0; number < ROLES; number += 1) {
    await callIam(url, aws.adminCredentials(), roleParameters(number))
  }
  for (let number = 0; number < PROVIDERS; number += 1) {
    await callIam(url, aws.adminCredentials(), {
      Action: 'CreateOpenIDConnectProvider',
      Url: `https://oidc.example/${number}`,
      'ClientIDList.member.1': 'sts.amazonaws.com',
    })
  }
}

type Reads = readonly [name: string, expected: string, requests: readonly IamParameters[]]

async function readsOf(aws: Aws, url: string): Promise<readonly Reads[]> {
  const various = Array.from({ length: VARIETY }, (_, number) => number)
  const pages: IamParameters[] = []
  let marker: string | undefined
  do {
    const page = {
      Action: 'ListRoles',
      MaxItems: '100',
      ...(marker !== undefined && { Marker: marker }),
    }
    pages.push(page)
    marker = /<Marker>([^<]+)<\/Marker>/.exec(await callIam(url, aws.adminCredentials(), page))?.[1]
  } while (marker !== undefined)
  const providerArn = `arn:aws:iam::${ACCOUNT}:oidc-provider/oidc.example`
  return [
    [
      'GetRole',
      '<RoleName>role-0</RoleName>',
      various.map((number) => ({ Action: 'GetRole', RoleName: `role-${number * 37}` })),
    ],
    ['ListRoles, 100 a page', '<IsTruncated>true</IsTruncated>', pages],
    [
      'GetOpenIDConnectProvider',
      '<Url>oidc.example/0</Url>',
      various.map((number) => ({
        Action: 'GetOpenIDConnectProvider',
        OpenIDConnectProviderArn: `${providerArn}/${number}`,
      })),
    ],
  ]
}

/** What every signed call costs before anything of IAM is done. */
function signatureFloor(aws: Aws): Floor {
  const { secretAccessKey } = aws.adminCredentials()
  return {
    does: 'signature verified, fixed bytes, same serveHttp',
    serve: ({ text, type }) => {
      const handler: Handler = async (request) => {
        const { pathname, search } = new URL(request.url)
        const wire = {
          method: request.method,
          path: pathname,
          query: search.slice(1),
          headers: request.headers,
        }
        const body = new Uint8Array(await request.arrayBuffer())
        const claims = readSignature(wire)
        if (claims === undefined || 'ok' in claims) return new Response(null, { status: 403 })
        const nowMs = systemClock.now()
        const verdict = verifySignature(wire, body, claims, { secretAccessKey, nowMs })
        if (!verdict.ok) return new Response(null, { status: 403 })
        return new Response(text, { headers: { 'content-type': type } })
      }
      const server = serveHttp({ hostname: '127.0.0.1', port: 0, handler })
      return { port: server.port, stop: () => server.stop(0) }
    },
  }
}
