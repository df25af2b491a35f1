/** Judges what an issuer looks like from outside by what STS needs. Pure. */
import { messageOf } from '../../lib/errors.ts'
import { isTokenAlgorithm, type Jwks, MAX_KEYS_OF_A_TYPE, parseJwks } from '../../token/jwks.ts'
import { algorithmsOf, discoveryDocument } from '../documents.ts'
import { isSameKey, type PublicSigningKey } from '../keys.ts'
import { judgeHost } from './chain.ts'
import type { DocumentFacts, OutsideFacts } from './facts.ts'
import { finding, type OutsideFinding } from './findings.ts'

/** What should be there. */
export interface Expected {
  readonly issuer: string
  /** All of these, under their kids; what else there is does not matter. */
  readonly keys: readonly PublicSigningKey[]
  /** Where the keys should be, if that is known. */
  readonly jwksUri?: string
}

/** Everything that is wrong; nothing where STS can read the issuer as it should be. */
export function judgeOutside(facts: OutsideFacts, expected: Expected): readonly OutsideFinding[] {
  const hosts = facts.hosts.flatMap((host) => judgeHost(host, facts.atMs))
  const [first] = facts.hosts
  // Where nothing answers, there is nothing more to say of the documents.
  if (first === undefined || first.unreachable !== undefined) return hosts
  const discovery = judgeDocument(facts.discovery)
  const jwks = facts.jwks === undefined ? undefined : judgeDocument(facts.jwks)
  const keys = jwks?.value === undefined ? undefined : readJwks(facts.jwks, jwks.value)
  return [
    ...hosts,
    ...judgeTrust(facts),
    ...judgeClock(facts),
    ...discovery.findings,
    ...(discovery.value === undefined ? [] : judgeDiscovery(facts, discovery.value, expected)),
    ...(jwks?.findings ?? []),
    ...(keys?.findings ?? []),
    ...(keys?.jwks === undefined ? [] : judgeKeys(facts, keys.jwks, expected)),
    ...(keys?.jwks === undefined || discovery.value === undefined
      ? []
      : judgeAlgorithms(facts, discovery.value, keys.jwks)),
  ]
}

/** Of what is wrong with the chain's form there is a finding already. */
function judgeTrust({ hosts, discovery, jwks }: OutsideFacts): readonly OutsideFinding[] {
  const code = discovery.distrust ?? jwks?.distrust
  if (code === undefined || /ALTNAME|HOSTNAME|EXPIRED|NOT_YET/.test(code)) return []
  return [
    finding(
      'CertificateUntrusted',
      `the certificate of ${hosts.map(({ host }) => host).join(', ')} comes from no authority that is trusted here: ${code}`,
      'where AWS does not know the authority either, the IAM provider needs a thumbprint; where the intermediates are not sent, send them',
    ),
  ]
}

/** Servers of the public web have the right time to the second; a network takes a moment. */
const CLOCK_MS = 60_000

/** Only a clock that is behind shows: what a cache says may be older. */
function judgeClock({ atMs, discovery, jwks }: OutsideFacts): readonly OutsideFinding[] {
  const dates = [discovery, jwks].flatMap((document) =>
    document?.answer.kind === 'answer' && document.answer.dateMs !== undefined
      ? [document.answer.dateMs]
      : [],
  )
  const behindMs = Math.max(...dates) - atMs
  if (!(behindMs > CLOCK_MS)) return []
  return [
    finding(
      'ClockBehind',
      `this machine's clock is ${Math.round(behindMs / 1000)} s behind that of ${new URL(discovery.url).host}`,
      'set it (NTP): times of a rotation are counted by it',
    ),
  ]
}

interface Read {
  readonly value?: unknown
  readonly findings: readonly OutsideFinding[]
}

function judgeDocument({ url, elapsedMs, answer }: DocumentFacts): Read {
  const only = (...given: Parameters<typeof finding>): Read => ({ findings: [finding(...given)] })
  switch (answer.kind) {
    case 'none':
      return only('DocumentUnreachable', `${url} cannot be read: ${answer.reason}`, 'is it up?')
    case 'timeout':
      return only(
        'DocumentSlow',
        `${url} is not there whole after ${elapsedMs} ms`,
        'STS waits 5 seconds',
      )
    case 'too-large':
      return only('DocumentTooLarge', `${url} has more than a megabyte`, 'is it the document?')
    case 'answer':
      return judgeAnswer(url, answer)
    default:
      return answer satisfies never
  }
}

function judgeAnswer(
  url: string,
  { status, location, text }: { status: number; location: string | undefined; text: string },
): Read {
  if (status >= 300 && status < 400) {
    const message = `${url} redirects (HTTP ${status}) to ${(location ?? 'nowhere').slice(0, 300)}`
    const hint = 'STS follows no redirect: serve the document itself'
    return { findings: [finding('DocumentRedirected', message, hint)] }
  }
  if (status !== 200) {
    const hint =
      status === 403 || status === 404
        ? 'everybody must be able to read it: in S3 by the bucket policy (--create-bucket sees to it), or through the CDN'
        : 'the server must answer with 200'
    return { findings: [finding('DocumentStatus', `${url} answers with HTTP ${status}`, hint)] }
  }
  try {
    return { value: JSON.parse(text) as unknown, findings: [] }
  } catch {
    const message = `${url} is not JSON: it begins with ${JSON.stringify(text.slice(0, 40))}`
    return { findings: [finding('DocumentNotJson', message, 'is it the document?')] }
  }
}

/** Members that hold more than one issuer needs are good; what is asked for must be among them. */
function judgeDiscovery(
  { discovery: { url } }: OutsideFacts,
  value: unknown,
  { issuer, jwksUri }: Expected,
): readonly OutsideFinding[] {
  const member = (name: string): unknown => Reflect.get(Object(value), name)
  const found: OutsideFinding[] = []
  const quoted = (what: unknown): string => (JSON.stringify(what) ?? 'nothing').slice(0, 300)
  if (member('issuer') !== issuer) {
    found.push(
      finding(
        'IssuerDiffers',
        `${url} has the issuer ${quoted(member('issuer'))}: wanted ${quoted(issuer)}, byte for byte`,
        'iss of the tokens, the IAM provider and the document must be one text',
      ),
    )
  }
  const uri = member('jwks_uri')
  const isUri = typeof uri === 'string' && URL.canParse(uri) && new URL(uri).protocol === 'https:'
  if (!isUri || (jwksUri !== undefined && uri !== jwksUri)) {
    found.push(
      finding(
        'JwksUriDiffers',
        `${url} has the jwks_uri ${quoted(uri)}: wanted ${jwksUri === undefined ? 'an https URL' : quoted(jwksUri)}`,
        'STS reads the keys from there',
      ),
    )
  }
  const model = discoveryDocument(issuer, { algorithms: [] })
  for (const [name, wanted] of Object.entries(model)) {
    const value = member(name)
    if (typeof wanted === 'string') continue
    const list: unknown[] = Array.isArray(value) ? value : []
    const missing = [wanted].flat().filter((item) => !list.includes(item))
    if (missing.length === 0 && list.length > 0) continue
    found.push(
      finding(
        'MemberMissing',
        `${url} lacks ${name}${missing.length > 0 ? ` with ${missing.join(', ')}` : ''}`,
        'IAM asks for six members, which an API server does not all have: podrole issuer document prints them',
      ),
    )
  }
  return found
}

function readJwks(
  facts: DocumentFacts | undefined,
  value: unknown,
): { readonly jwks?: Jwks; readonly findings: readonly OutsideFinding[] } {
  const url = facts?.url ?? ''
  const keys: unknown = Reflect.get(Object(value), 'keys')
  const isPrivate = (key: unknown): boolean => Object.hasOwn(Object(key), 'd')
  const exposed = Array.isArray(keys) && keys.some(isPrivate)
  const findings = exposed
    ? [
        finding(
          'PrivateKeyPublished',
          `${url} holds a private key: whoever reads it can sign tokens of this issuer`,
          'publish public members alone, and replace that key at once: it is known',
        ),
      ]
    : []
  try {
    return { jwks: parseJwks(JSON.stringify(value)), findings }
  } catch (error) {
    const message = `${url} holds no keys that STS takes: ${messageOf(error)}`
    return { findings: [...findings, finding('JwksUnusable', message, 'publish the keys again')] }
  }
}

function judgeKeys(
  { jwks: facts }: OutsideFacts,
  jwks: Jwks,
  { keys }: Expected,
): readonly OutsideFinding[] {
  const url = facts?.url ?? ''
  const tooMany = (['RSA', 'EC'] as const).flatMap((type) => {
    const count = jwks.keys.filter(({ kty }) => kty === type).length
    return count <= MAX_KEYS_OF_A_TYPE
      ? []
      : [
          finding(
            'TooManyKeys',
            `${url} has ${count} ${type} keys: STS takes at most ${MAX_KEYS_OF_A_TYPE} of a type`,
            'drop those that no token is signed with any more',
          ),
        ]
  })
  const missing = keys.filter(
    (key) => !jwks.keys.some((jwk) => (jwk.kid ?? '') === key.kid && isSameKey(jwk, key.publicJwk)),
  )
  const kids = missing.map(({ kid }) => JSON.stringify(kid)).slice(0, 10)
  return missing.length === 0
    ? tooMany
    : [
        ...tooMany,
        finding(
          'KeyMissing',
          `${url} lacks ${missing.length} key(s): ${kids.join(', ')}`,
          'a cache in between keeps the older document for as long as its max-age says',
        ),
      ]
}

function judgeAlgorithms(
  { discovery: { url } }: OutsideFacts,
  discovery: unknown,
  jwks: Jwks,
): readonly OutsideFinding[] {
  const named: unknown = Reflect.get(Object(discovery), 'id_token_signing_alg_values_supported')
  const list: unknown[] = Array.isArray(named) ? named : []
  const missing = algorithmsOf(jwks).filter(
    (name) => isTokenAlgorithm(name) && !list.includes(name),
  )
  if (missing.length === 0) return []
  const message = `${url} does not name ${missing.join(', ')}, which its keys sign with`
  const hint = 'a cache in between keeps the older document for as long as its max-age says'
  return [finding('AlgorithmMissing', message, hint)]
}
