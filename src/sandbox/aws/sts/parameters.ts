import { documentOf } from '../identity/policies.ts'
import { TAG_PATTERN, type Tag } from '../iam/tags.ts'
import { readDocument } from '../iam/faults.ts'
import { type QuotaName, quotaValue } from '../quotas/quotas.ts'
import type { RoleRecord, Tables } from '../records.ts'
import { defaultDocument, nameKey } from '../records.ts'
import type { Constraints } from '../wire/constraints.ts'
import { AwsFault } from '../wire/fault.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Call } from '../world.ts'

/** Shapes of the STS service model (2011-06-15). */
export const ROLE_ARN = { required: true, min: 20, max: 2048 }
export const SESSION_NAME = { required: true, min: 2, max: 64, pattern: '[\\w+=,.@-]*' }
export const SOURCE_IDENTITY = { min: 2, max: 64, pattern: '[\\w+=,.@-]*' }
export const EXTERNAL_ID = { min: 2, max: 1224, pattern: '[\\w+=,.@:\\/-]*' }
const DURATION = { min: 900, max: 43_200 }
const POLICY = { min: 1, pattern: '[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+' }
const TAG_KEY = { required: true, min: 1, max: 128, pattern: TAG_PATTERN }

/** What the operations that begin a role's session have in common. */
export interface RoleParameters {
  readonly roleArn: string
  readonly sessionName: string
  readonly durationSeconds: number
  readonly policy: string | undefined
  readonly policyArns: readonly string[]
  readonly minimumTokenSize: number | undefined
}

/** Reads them; `constraints.check()` is the caller's. */
export function readRoleParameters(
  call: Call,
  parameters: QueryParameters,
  constraints: Constraints,
): RoleParameters {
  const roleArn = constraints.text('roleArn', parameters.get('RoleArn'), ROLE_ARN) ?? ''
  const name = parameters.get('RoleSessionName')
  const sessionName = constraints.text('roleSessionName', name, SESSION_NAME) ?? ''
  const duration = parameters.get('DurationSeconds')
  const limits = readSessionLimits(parameters, constraints, roleQuotas(call, roleArn))
  return {
    roleArn,
    sessionName,
    durationSeconds: constraints.integer('durationSeconds', duration, DURATION) ?? 3600,
    ...limits,
  }
}

/** The quotas of one account. */
type Quotas = (name: QuotaName) => number

/** Session policies and token size, which every operation that begins a session takes. */
export function readSessionLimits(
  parameters: QueryParameters,
  constraints: Constraints,
  quota: Quotas,
): Pick<RoleParameters, 'policy' | 'policyArns' | 'minimumTokenSize'> {
  const policyArns = parameters.records('PolicyArns', ['arn']).map(({ arn }) => arn ?? '')
  constraints.count('policyArns', policyArns.length, quota('sessionPolicyArns'))
  policyArns.forEach((arn, index) => {
    constraints.text(`policyArns.${index + 1}.member.arn`, arn, { min: 20, max: 2048 })
  })
  const size = parameters.get('MinimumSessionTokenSize')
  return {
    policy: constraints.text('policy', parameters.get('Policy'), {
      ...POLICY,
      max: quota('sessionPolicyCharacters'),
    }),
    policyArns,
    minimumTokenSize: constraints.integer('minimumSessionTokenSize', size, { min: 0, max: 4096 }),
  }
}

/** The quotas of the account that a role is in; where its ARN says none, those of all. */
function roleQuotas(call: Call, roleArn: string): Quotas {
  const accountId = /^arn:[^:]*:iam::(\d{12}):/.exec(roleArn)?.[1] ?? ''
  return (name) => quotaValue(call.world.tables, accountId, name)
}

/** `Tags.member.N` and `TransitiveTagKeys.member.N` of AssumeRole. */
export function readSessionTags(
  call: Call,
  parameters: QueryParameters,
  constraints: Constraints,
): { readonly tags: readonly Tag[]; readonly transitiveKeys: readonly string[] } {
  const quota = roleQuotas(call, parameters.get('RoleArn') ?? '')
  const tags = readTagList(parameters, constraints, quota)
  const transitiveKeys = parameters.list('TransitiveTagKeys')
  constraints.count('transitiveTagKeys', transitiveKeys.length, quota('sessionTags'))
  transitiveKeys.forEach((key, index) => {
    constraints.text(`transitiveTagKeys.${index + 1}.member`, key, TAG_KEY)
  })
  return { tags, transitiveKeys }
}

/** `Tags.member.N` of an operation that begins a session. */
export function readTagList(
  parameters: QueryParameters,
  constraints: Constraints,
  quota: Quotas,
): readonly Tag[] {
  const tags = parameters.records('Tags', ['Key', 'Value'])
  constraints.count('tags', tags.length, quota('sessionTags'))
  return tags.map(({ Key, Value }, index) => {
    const at = `tags.${index + 1}.member`
    constraints.text(`${at}.key`, Key, TAG_KEY)
    constraints.text(`${at}.value`, Value, { required: true, max: 256, pattern: TAG_PATTERN })
    return { Key: Key ?? '', Value: Value ?? '' }
  })
}

const ARN = /^arn:([a-z0-9-]+):iam::(\d{12}):role\/(?:[\u0021-\u007e]+\/)?([\w+=,.@-]{1,64})$/

/** Account and name of a role's ARN. @throws AwsFault `ValidationError` */
export function readRoleArn(arn: string): { readonly accountId: string; readonly name: string } {
  const [, partition, accountId, name] = ARN.exec(arn) ?? []
  if (partition === undefined || accountId === undefined || name === undefined) {
    throw new AwsFault('ValidationError', 'Request ARN is invalid')
  }
  return { accountId, name }
}

/** The role of exactly that ARN, its path and case included. */
export function findRole(tables: Tables, arn: string): RoleRecord | undefined {
  const { accountId, name } = readRoleArn(arn)
  const role = tables.roles.get(nameKey(accountId, name))
  return role?.arn === arn ? role : undefined
}

/**
 * The texts of the session policies. Source: AWS STS API Reference, AssumeRole, Policy and
 * PolicyArns: "The plaintext … can't exceed 2,048 characters".
 * @throws AwsFault `MalformedPolicyDocument`, `PackedPolicyTooLarge`, `ValidationError`
 */
export function readSessionPolicies(
  tables: Tables,
  accountId: string,
  given: Pick<RoleParameters, 'policy' | 'policyArns'>,
): readonly string[] {
  const { policy, policyArns } = given
  if (policy !== undefined) readDocument(policy, 'session')
  const characters = (policy ?? '').length + policyArns.join('').length
  const most = quotaValue(tables, accountId, 'sessionPolicyCharacters')
  if (characters > most) {
    throw new AwsFault(
      'PackedPolicyTooLarge',
      `The session policies have ${characters} characters, more than the limit of ${most}`,
    )
  }
  const managed = policyArns.map((arn) => {
    const found = tables.policies.get(arn)
    if (found === undefined || ![accountId, 'aws'].includes(found.accountId)) {
      throw new AwsFault(
        'ValidationError',
        `Policy ARN ${arn} does not exist in the role's account`,
      )
    }
    const text = defaultDocument(found)
    documentOf(text, 'session')
    return text
  })
  return [...(policy === undefined ? [] : [policy]), ...managed]
}

/** @throws AwsFault `ValidationError` */
export function checkDuration(role: RoleRecord, durationSeconds: number): void {
  if (durationSeconds <= role.maxSessionSeconds) return
  throw new AwsFault(
    'ValidationError',
    'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
  )
}
