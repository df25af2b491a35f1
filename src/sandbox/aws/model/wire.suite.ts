/** Sends operations as a client does, and reads what comes back; knows nothing of what is right. */
import { XMLParser } from 'fast-xml-parser'
import { signRequest } from '../../../aws/sign.ts'
import type { AwsCredentials } from '../../../aws/credentials.ts'
import type { ManualClock } from '../../../lib/clock.ts'
import type { Aws } from '../aws.ts'
import {
  type Answer,
  type Members,
  OK,
  type Operation,
  type Plain,
  textOf,
} from './operations.suite.ts'
import { POD, type TokenInput, tokenOf } from './sessions.suite.ts'
import type { QuotaName } from './world.suite.ts'

/** A sandbox that is asked, and what it takes to ask. */
export interface Subject {
  readonly aws: Aws
  readonly clock: ManualClock
  readonly region: string
  readonly credentialsOf: (accountId: string) => AwsCredentials
  /** Signs for the issuer; with `signature` as the fault, by a key of nobody's. */
  readonly sign: (token: TokenInput, claims: Members) => Promise<string>
}

const URL_BASE = 'http://127.0.0.1'
const CLIENT = { address: '127.0.0.1', port: 1 }

/** A request before its signature. */
interface Asked {
  readonly method: string
  readonly path: string
  readonly body?: string
}

export async function ask(subject: Subject, operation: Operation): Promise<Answer> {
  if (operation.service === 'test') return changeTest(subject, operation)
  if (operation.service === 'iam' || operation.service === 'sts') {
    return readXml(
      subject,
      operation,
      await send(subject, operation, await queryOf(subject, operation)),
    )
  }
  return readJson(
    subject,
    operation,
    await send(subject, operation, await restOf(subject, operation)),
  )
}

function changeTest({ aws, clock }: Subject, { name, input }: Operation): Answer {
  if (name === 'Wait') clock.advance(Number(input['ms']))
  else {
    const quota = textOf(input, 'name') as QuotaName
    aws.setQuota({ name: quota, accountId: '*', value: Number(input['value']) })
  }
  return { code: OK, members: {} }
}

async function send(
  { aws, clock, region, credentialsOf }: Subject,
  { service, accountId }: Operation,
  asked: Asked,
): Promise<Response> {
  const url = URL_BASE + asked.path
  const type = service === 'iam' || service === 'sts' ? 'x-www-form-urlencoded' : 'json'
  const plain = { 'content-type': `application/${type}` }
  const { method, body } = asked
  const headers =
    service === 'sts'
      ? plain
      : await signRequest(
          { method, url, headers: plain, ...(body !== undefined && { body }) },
          credentialsOf(accountId),
          { service, region, clock },
        )
  return aws.handler(
    new Request(url, { method, headers, ...(body !== undefined && { body }) }),
    CLIENT,
  )
}

const isText = (value: Plain): value is { readonly text: string } =>
  typeof value === 'object' && 'text' in value

async function queryOf(subject: Subject, operation: Operation): Promise<Asked> {
  const { service, name, input } = operation
  const version = service === 'iam' ? '2010-05-08' : '2011-06-15'
  const parameters = new URLSearchParams({ Action: name, Version: version })
  for (const [key, value] of Object.entries(input)) {
    if (key === 'token') parameters.set('WebIdentityToken', await webIdentityToken(subject, input))
    else addParameter(parameters, key, value)
  }
  return { method: 'POST', path: '/', body: parameters.toString() }
}

function addParameter(parameters: URLSearchParams, name: string, value: Plain): void {
  if (value === undefined) return
  if (Array.isArray(value)) {
    for (const [index, item] of (value as readonly Plain[]).entries()) {
      addParameter(parameters, `${name}.member.${index + 1}`, item)
    }
  } else if (isText(value)) parameters.set(name, value.text)
  else if (typeof value === 'object') {
    for (const [key, item] of Object.entries(value))
      addParameter(parameters, `${name}.${key}`, item)
  } else parameters.set(name, String(value))
}

function webIdentityToken({ sign, clock }: Subject, input: Members): Promise<string> {
  const token = tokenOf(input)
  const { issuer, audience, subject, tags, roles } = token
  return sign(token, {
    iss: issuer,
    aud: [audience],
    sub: subject,
    ...timesOf(clock, token),
    ...(tags !== undefined && {
      'https://aws.amazon.com/tags': {
        principal_tags: Object.fromEntries(
          Object.entries(tags).map(([key, value]) => [key, [value]]),
        ),
        transitive_tag_keys: Object.keys(tags),
      },
    }),
    ...(roles !== undefined && { 'https://aws.amazon.com/roles': roles }),
  })
}

/** One that is over is over for longer than the leeway of STS. */
function timesOf(clock: ManualClock, { fault }: TokenInput): Members {
  const now = Math.floor(clock.now() / 1000)
  return fault === 'expired' ? { iat: now - 2000, exp: now - 400 } : { iat: now, exp: now + 600 }
}

function podToken({ sign, clock }: Subject, input: Members): Promise<string> {
  const token = tokenOf(input)
  const { issuer, audience, subject } = token
  const [, , namespace = '', name = ''] = subject.split(':')
  return sign(token, {
    iss: issuer,
    aud: [audience],
    sub: subject,
    ...timesOf(clock, token),
    'kubernetes.io': {
      namespace,
      pod: POD,
      serviceaccount: { name, uid: 'sa-uid' },
      node: { name: 'node-1', uid: 'node-uid' },
    },
  })
}

/** Members that go into the path. */
const LABELS = new Set(['clusterName', 'associationId', 'resourceArn', 'token', 'TagKeys'])

async function restOf(subject: Subject, { name, input }: Operation): Promise<Asked> {
  const label = (key: string): string => encodeURIComponent(textOf(input, key))
  const rest = Object.fromEntries(
    Object.entries(input)
      .filter(([key, value]) => !LABELS.has(key) && value !== undefined)
      .map(([key, value]) => [key, isText(value) ? value.text : value]),
  )
  const body = JSON.stringify(rest)
  const all = `/clusters/${label('clusterName')}/pod-identity-associations`
  const one = `${all}/${label('associationId')}`
  const tags = `/tags/${label('resourceArn')}`
  switch (name) {
    case 'CreatePodIdentityAssociation':
      return { method: 'POST', path: all, body }
    case 'ListPodIdentityAssociations': {
      const query = new URLSearchParams(
        Object.entries(rest).map(([key, value]): [string, string] => [
          key,
          typeof value === 'number' ? String(value) : textOf(rest as Members, key),
        ]),
      )
      return { method: 'GET', path: `${all}?${query.toString()}` }
    }
    case 'DescribePodIdentityAssociation':
      return { method: 'GET', path: one }
    case 'UpdatePodIdentityAssociation':
      return { method: 'POST', path: one, body }
    case 'DeletePodIdentityAssociation':
      return { method: 'DELETE', path: one }
    case 'TagResource':
      return { method: 'POST', path: tags, body }
    case 'UntagResource': {
      const keys = (input['TagKeys'] ?? []) as readonly string[]
      const query = new URLSearchParams(keys.map((key): [string, string] => ['tagKeys', key]))
      return { method: 'DELETE', path: `${tags}?${query.toString()}` }
    }
    case 'ListTagsForResource':
      return { method: 'GET', path: tags }
    case 'AssumeRoleForPodIdentity': {
      const token = await podToken(subject, input)
      const path = `/clusters/${label('clusterName')}/assume-role-for-pod-identity`
      return { method: 'POST', path, body: JSON.stringify({ token }) }
    }
    default:
      throw new Error(`no request for ${name}`)
  }
}

const XML = new XMLParser({
  parseTagValue: false,
  trimValues: false,
  ignoreAttributes: true,
  isArray: (name) => name === 'member',
})

async function readXml(subject: Subject, { name }: Operation, response: Response): Promise<Answer> {
  const parsed = XML.parse(await response.text()) as Record<string, Record<string, unknown>>
  const error = parsed['ErrorResponse']?.['Error'] as { Code: string } | undefined
  if (error !== undefined) return { code: error.Code, members: {} }
  const result = parsed[`${name}Response`]?.[`${name}Result`] ?? {}
  const members = plainOf(result === '' ? {} : result, '') as Record<string, Plain>
  const { IsTruncated, Credentials, ...rest } = members
  if (IsTruncated !== undefined && (IsTruncated === 'true') !== (rest['Marker'] !== undefined)) {
    throw new Error(`IsTruncated and Marker part: ${JSON.stringify(members)}`)
  }
  return {
    code: OK,
    members: { ...rest, ...sessionOf(subject, Credentials, rest['AssumedRoleUser']) },
  }
}

/** What came with credentials: when they end, and what the sandbox knows of their session. */
function sessionOf({ aws }: Subject, credentials: Plain, user: Plain): Members {
  if (credentials === undefined) return {}
  const { Expiration = 0 } = credentials as { Expiration?: number }
  return { Expiration, SessionTags: aws.sessionTags((user as { Arn: string }).Arn) }
}

/** Not compared: sizes, and use that is told with delay. */
const IGNORED = new Set([
  'RoleLastUsed',
  'PackedPolicySize',
  'SessionTokenSize',
  'SessionTokenUtilization',
])
const TIMES = new Set(['CreateDate', 'Expiration'])
const DOCUMENTS = new Set(['AssumeRolePolicyDocument', 'PolicyDocument'])
const LIST = /(?:s|List)$/

/** XML as plain data: lists as lists, times as seconds, documents as JSON, sets in one order. */
function plainOf(value: unknown, name: string): Plain {
  if (typeof value === 'string') {
    if (TIMES.has(name)) return Date.parse(value) / 1000
    if (DOCUMENTS.has(name)) return JSON.parse(decodeURIComponent(value)) as Plain
    return value === '' && LIST.test(name) ? [] : value
  }
  const entries = Object.entries(value as Record<string, unknown>)
  const [first] = entries
  if (first?.[0] === 'member') {
    const items = (first[1] as unknown[]).map((item) => plainOf(item, ''))
    return name === 'Tags' || name.endsWith('List') ? sorted(items) : items
  }
  return Object.fromEntries(
    entries.filter(([key]) => !IGNORED.has(key)).map(([key, item]) => [key, plainOf(item, key)]),
  )
}

const placeOf = (item: Plain): string =>
  typeof item === 'string' ? item : textOf(item as Members, 'Key') || textOf(item as Members, 'Arn')

const sorted = (items: readonly Plain[]): readonly Plain[] =>
  [...items].sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))

async function readJson(
  subject: Subject,
  { name, input }: Operation,
  response: Response,
): Promise<Answer> {
  const members = (await response.json()) as Record<string, Plain>
  if (response.status !== 200) {
    return { code: response.headers.get('x-amzn-errortype') ?? '', members: {} }
  }
  if (name !== 'AssumeRoleForPodIdentity') return { code: OK, members }
  const { credentials, assumedRoleUser, ...rest } = members
  const user = assumedRoleUser as { arn: string; assumeRoleId: string }
  const { expiration } = credentials as { expiration: number }
  return {
    code: OK,
    members: {
      ...rest,
      assumedRoleUser: {
        arn: hideSession(user.arn, input),
        assumeRoleId: hideSession(user.assumeRoleId, input),
      },
      Expiration: Math.floor(expiration),
      SessionTags: subject.aws.sessionTags(user.arn),
    },
  }
}

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'

/** SESSION in the place of a session's name that has EKS's form. */
function hideSession(text: string, input: Members): string {
  const begin = `eks-${textOf(input, 'clusterName').slice(0, 10)}-${POD.name.slice(0, 10)}`
  return text.replace(new RegExp(`${begin}-${UUID}$`), 'SESSION')
}
