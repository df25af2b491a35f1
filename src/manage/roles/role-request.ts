import { parseArn, roleArn } from '../../iam/arn.ts'
import { parsePolicy } from '../../iam/policy.ts'
import { parseTags, type Tags } from '../../iam/tags.ts'
import { checkAll } from '../../lib/collect-faults.ts'
import { parseDurationMs } from '../../lib/durations.ts'
import { PodroleError } from '../../lib/errors.ts'

/** A role as it is asked for, as typed. */
export interface RoleWishes {
  readonly name: string
  readonly path?: string
  readonly description?: string
  /** `1h`, or seconds. */
  readonly maxSessionDuration?: string
  readonly policyArns: readonly string[]
  /** The text of a permission policy. */
  readonly policy?: string
  readonly permissionsBoundary?: string
  /** `KEY=VALUE`. */
  readonly tags: readonly string[]
}

/** A role as it is to be; what is undefined is left to IAM, or as it is. */
export interface RoleRequest {
  readonly name: string
  readonly path?: string
  readonly description?: string
  readonly maxSessionSeconds?: number
  readonly policyArns: readonly string[]
  readonly policy?: string
  readonly boundaryArn?: string
  readonly tags: Tags
}

/** The account is not known yet, and makes no difference to a name or a path. */
const SOME_ACCOUNT = { partition: 'aws', accountId: '000000000000' }
const SESSION_SECONDS = { min: 3600, max: 43_200 }
const DESCRIPTION = /^[\t\n\r\u0020-\u007e\u00a1-\u00ff]{0,1000}$/
/** Of all inline policies of a role together, white space not counted; fixed. */
const INLINE_CHARACTERS = 10_240

/**
 * Checks what is asked for by IAM's rules; every fault is told at once.
 * https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
 * @throws PodroleError `InvalidRole` where several things are wrong, else the one's own
 */
export function readRoleRequest(wishes: RoleWishes): RoleRequest {
  const { description, name, path, permissionsBoundary, policy, policyArns } = wishes
  let tags: Tags = {}
  let maxSessionSeconds: number | undefined
  checkAll('InvalidRole', [
    () => roleArn({ ...SOME_ACCOUNT, name }),
    () => roleArn({ ...SOME_ACCOUNT, name: 'x', path }),
    () => checkDescription(description),
    () => {
      maxSessionSeconds = readSessionSeconds(wishes.maxSessionDuration)
    },
    ...policyArns.map((arn) => () => checkPolicyArn(arn)),
    () => checkUnique(policyArns),
    () => permissionsBoundary !== undefined && checkPolicyArn(permissionsBoundary),
    () => policy !== undefined && checkPolicy(policy),
    () => {
      tags = parseTags(wishes.tags)
    },
  ])
  return {
    name,
    policyArns,
    tags,
    ...(path !== undefined && { path }),
    ...(description !== undefined && { description }),
    ...(maxSessionSeconds !== undefined && { maxSessionSeconds }),
    ...(policy !== undefined && { policy }),
    ...(permissionsBoundary !== undefined && { boundaryArn: permissionsBoundary }),
  }
}

/**
 * What can be checked only when the account is known.
 * @throws PodroleError `WrongPartition`
 */
export function checkRequestInAccount(
  { boundaryArn, policyArns }: RoleRequest,
  account: { readonly partition: string; readonly accountId: string },
): void {
  const arns = [...policyArns, ...(boundaryArn === undefined ? [] : [boundaryArn])]
  const foreign = arns.find((arn) => {
    const { accountId, partition } = parseArn(arn)
    return (
      partition !== account.partition || (accountId !== 'aws' && accountId !== account.accountId)
    )
  })
  if (foreign === undefined) return
  throw new PodroleError(
    'WrongPartition',
    `policy ${foreign} cannot be attached: the account is ${account.accountId} in partition ${account.partition}`,
    {
      hint: `A policy is AWS's own (arn:${account.partition}:iam::aws:policy/…) or one of the account.`,
    },
  )
}

function checkDescription(description: string | undefined): void {
  if (description === undefined || DESCRIPTION.test(description)) return
  throw new PodroleError(
    'InvalidDescription',
    `the description has ${description.length} characters: wanted at most 1000, of Latin letters (U+0020 to U+00FF)`,
  )
}

function readSessionSeconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = parseDurationMs(text) / 1000
  const { max, min } = SESSION_SECONDS
  if (Number.isInteger(seconds) && seconds >= min && seconds <= max) return seconds
  throw new PodroleError(
    'InvalidSessionDuration',
    `session duration ${JSON.stringify(text)} is not one: wanted whole seconds from ${min} (1h) to ${max} (12h)`,
  )
}

function checkPolicyArn(text: string): void {
  const { accountId, resource, service } = parseArn(text)
  const isPolicy =
    service === 'iam' && /^policy\/(?:[\x21-\x7e]*\/)?[\w+=,.@-]{1,128}$/.test(resource)
  if (isPolicy && /^(?:aws|\d{12})$/.test(accountId)) return
  throw new PodroleError(
    'InvalidPolicyArn',
    `${JSON.stringify(text.slice(0, 200))} is not the ARN of a managed policy: wanted arn:PARTITION:iam::ACCOUNT:policy/NAME`,
    {
      hint: 'Policies of AWS have "aws" as account: arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess.',
    },
  )
}

function checkUnique(arns: readonly string[]): void {
  const twice = arns.find((arn, at) => arns.indexOf(arn) !== at)
  if (twice === undefined) return
  throw new PodroleError('InvalidPolicyArn', `policy ${twice} is given twice`)
}

function checkPolicy(text: string): void {
  parsePolicy(text, 'identity')
  const characters = text.replaceAll(/\s/g, '').length
  if (characters <= INLINE_CHARACTERS) return
  throw new PodroleError(
    'PolicyTooLong',
    `the policy has ${characters} characters without white space, the inline policies of a role at most ${INLINE_CHARACTERS} together`,
    { hint: 'Make it a managed policy and name its ARN with --policy-arn.' },
  )
}
