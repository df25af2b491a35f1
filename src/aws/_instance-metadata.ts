import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import { fetchBounded } from './_bounded-fetch.ts'
import { member } from './_rest-json.ts'
import type { AwsCredentials } from './credentials.ts'

const TIMEOUT_MS = 1000
const ATTEMPTS = 3
const MAX_BYTES = 64 * 1024
const ROLE_PATH = '/latest/meta-data/iam/security-credentials/'
const ROLE_NAME = /^[\w+=,.@-]{1,64}$/

/** What another attempt would not change. */
class MetadataProblem extends PodroleError {
  constructor(message: string) {
    super('InstanceMetadata', message)
  }
}

/**
 * The instance role's credentials, by IMDSv2 alone (EC2 User Guide, "Retrieve security credentials
 * from instance metadata"), or why there are none.
 */
export async function instanceCredentials(endpoint: string): Promise<AwsCredentials | string> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await readCredentials(endpoint)
    } catch (error) {
      if (!(error instanceof PodroleError) && attempt < ATTEMPTS) continue
      return `the instance metadata service at ${endpoint} gave none (${reasonOf(error)})`
    }
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof PodroleError) return error.message
  if (error instanceof Error && error.name === 'TimeoutError') {
    return `no answer within ${TIMEOUT_MS} ms`
  }
  return codeOf(error) ?? messageOf(error)
}

async function readCredentials(endpoint: string): Promise<AwsCredentials> {
  const token = await ask(`${endpoint}/latest/api/token`, 'PUT', {
    'x-aws-ec2-metadata-token-ttl-seconds': '21600',
  })
  const headers = { 'x-aws-ec2-metadata-token': token.trim() }
  const role = (await ask(endpoint + ROLE_PATH, 'GET', headers)).split('\n')[0]?.trim() ?? ''
  if (!ROLE_NAME.test(role)) throw new MetadataProblem('the instance has no role')
  return parse(await ask(endpoint + ROLE_PATH + encodeURIComponent(role), 'GET', headers))
}

async function ask(
  url: string,
  method: string,
  headers: Readonly<Record<string, string>>,
): Promise<string> {
  const call = { url, method, headers, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES }
  const { status, text } = await fetchBounded(call)
  if (status === 200) return text
  const problem = `status ${status} for ${new URL(url).pathname}`
  // Only the service's own trouble is worth another attempt.
  throw status >= 500 ? new Error(problem) : new MetadataProblem(problem)
}

function parse(text: string): AwsCredentials {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    throw new MetadataProblem('the answer is not JSON')
  }
  const accessKeyId = member(document, 'AccessKeyId')
  const secretAccessKey = member(document, 'SecretAccessKey')
  const sessionToken = member(document, 'Token')
  const expirationMs = Date.parse(member(document, 'Expiration') ?? '')
  const code = member(document, 'Code')
  if (code !== undefined && code !== 'Success') {
    throw new MetadataProblem(`the answer's code is ${JSON.stringify(code.slice(0, 100))}`)
  }
  if (!accessKeyId || !secretAccessKey || !sessionToken || Number.isNaN(expirationMs)) {
    throw new MetadataProblem('the answer lacks credentials')
  }
  return {
    accessKeyId,
    secretAccessKey: new Secret(secretAccessKey),
    sessionToken: new Secret(sessionToken),
    expirationMs,
  }
}
