import type { Caller } from '../../../iam/request.ts'
import {
  type SignatureClaims,
  type SignatureVerdict,
  verifySignature,
  type WireRequest,
} from '../../../aws/sigv4-verify.ts'
import { Secret } from '../../../lib/secret.ts'
import type { KeyRecord } from '../records.ts'
import { nameKey } from '../records.ts'
import { AwsFault } from '../wire/fault.ts'
import type { Identity, Protocol, World } from '../world.ts'
import { recordKeyUse } from './key-use.ts'
import { roleOfKey } from './policies.ts'
import { federatedUserArn, sessionArn } from './sessions.ts'

/** What a signed request is authenticated with. */
export interface SignedRequest {
  readonly wire: WireRequest
  readonly body: Uint8Array
  /** What `readSignature` found. */
  readonly signature: SignatureClaims | SignatureVerdict | undefined
}

/** Why a caller is not known. */
type AuthenticationFault = 'missing' | 'unknown-key' | 'wrong-token' | 'expired'

type Wording = readonly [code: string, status: number, message: string]

const INVALID = 'The security token included in the request is invalid.'
const EXPIRED = 'The security token included in the request is expired'

/**
 * How each protocol tells it. Sources: "Common Errors" of the STS, IAM and EKS API References;
 * Amazon S3 API Reference, "Error Responses".
 */
const WORDINGS: Readonly<Record<Protocol, Readonly<Record<AuthenticationFault, Wording>>>> = {
  query: {
    missing: ['MissingAuthenticationToken', 403, 'Request is missing Authentication Token'],
    'unknown-key': ['InvalidClientTokenId', 403, INVALID],
    'wrong-token': ['InvalidClientTokenId', 403, INVALID],
    expired: ['ExpiredToken', 403, EXPIRED],
  },
  json: {
    missing: ['MissingAuthenticationTokenException', 403, 'Missing Authentication Token'],
    'unknown-key': ['UnrecognizedClientException', 403, INVALID],
    'wrong-token': ['UnrecognizedClientException', 403, INVALID],
    expired: ['ExpiredTokenException', 403, EXPIRED],
  },
  s3: {
    missing: ['AccessDenied', 403, 'Access Denied'],
    'unknown-key': [
      'InvalidAccessKeyId',
      403,
      'The AWS Access Key Id you provided does not exist in our records.',
    ],
    'wrong-token': ['InvalidToken', 400, 'The provided token is malformed or otherwise invalid.'],
    expired: ['ExpiredToken', 400, 'The provided token has expired.'],
  },
}

/** The verifier's codes where a protocol has a name of its own. */
const RENAMED: Readonly<Record<Protocol, Readonly<Record<string, string>>>> = {
  query: {},
  json: {
    SignatureDoesNotMatch: 'InvalidSignatureException',
    IncompleteSignature: 'IncompleteSignatureException',
  },
  s3: { IncompleteSignature: 'AuthorizationHeaderMalformed' },
}

function authenticationFault(protocol: Protocol, fault: AuthenticationFault): AwsFault {
  const [code, status, message] = WORDINGS[protocol][fault]
  return new AwsFault(code, message, { status })
}

/**
 * Who signed a request. Order: the key, the session token's binding to it, the session's end, the
 * signature.
 * @throws AwsFault with the protocol's codes
 */
export function authenticate(world: World, request: SignedRequest, protocol: Protocol): Identity {
  const { signature, wire, body } = request
  if (signature === undefined) throw authenticationFault(protocol, 'missing')
  if ('ok' in signature) throw malformedSignature(signature, wire, protocol)
  const key = world.tables.keys.get(signature.accessKeyId)
  if (key === undefined || key.inactive === true) throw authenticationFault(protocol, 'unknown-key')
  const temporary = key.session ?? key.temporary
  if (signature.sessionToken !== temporary?.sessionToken) {
    throw authenticationFault(protocol, 'wrong-token')
  }
  const nowMs = world.clock.now()
  if (temporary !== undefined && nowMs >= temporary.expiresAtMs) {
    throw authenticationFault(protocol, 'expired')
  }
  const secretAccessKey = new Secret(key.secretAccessKey)
  const verdict = verifySignature(wire, body, signature, { secretAccessKey, nowMs })
  if (!verdict.ok) throw verdictFault(verdict, protocol)
  const caller = callerOf(world, key)
  if (caller === undefined) throw authenticationFault(protocol, 'unknown-key')
  recordKeyUse(world, key, signature)
  return { caller, key }
}

/** A signature that cannot be read; S3 tells one in the query from one in the header. */
function malformedSignature(
  verdict: SignatureVerdict,
  wire: WireRequest,
  protocol: Protocol,
): AwsFault {
  const fault = verdictFault(verdict, protocol)
  const inQuery = protocol === 's3' && !wire.headers.has('authorization')
  if (!inQuery || fault.code !== 'AuthorizationHeaderMalformed') return fault
  return new AwsFault('AuthorizationQueryParametersError', fault.message, { status: 400 })
}

function verdictFault(verdict: SignatureVerdict, protocol: Protocol): AwsFault {
  if (verdict.ok) return authenticationFault(protocol, 'missing')
  const code = RENAMED[protocol][verdict.code] ?? verdict.code
  return new AwsFault(code, verdict.message, { status: verdict.status })
}

/** Whose key it is; undefined where the role or user is gone. */
export function callerOf(world: World, key: KeyRecord): Caller | undefined {
  const { accountId, session } = key
  if (session === undefined) {
    const user = world.tables.users.get(nameKey(accountId, key.userName ?? ''))
    const { temporary } = key
    if (user === undefined || (temporary?.userId ?? user.userId) !== user.userId) return undefined
    const federated = temporary?.federated
    if (federated === undefined) {
      return { kind: 'user', accountId, arn: user.arn, userId: user.userId }
    }
    return {
      kind: 'federated-user',
      accountId,
      arn: federatedUserArn(world.partition, accountId, federated.name),
      userId: `${accountId}:${federated.name}`,
      userArn: user.arn,
    }
  }
  const role = roleOfKey(world.tables, key)
  if (role === undefined) return undefined
  return {
    kind: 'role-session',
    accountId,
    arn: sessionArn(world.partition, accountId, session),
    roleArn: role.arn,
    roleId: role.roleId,
    sessionName: session.sessionName,
  }
}
