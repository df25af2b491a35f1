/** Policies for random operations: good ones with their meaning, and what IAM refuses. */
import type { Condition, PolicyText, Statement } from './operations.suite.ts'

/** A trust policy; one value in a list is written without the list, as IAM takes both. */
export const trustText = (statements: readonly Statement[]): PolicyText => ({
  text: JSON.stringify({
    Version: '2012-10-17',
    Statement: statements.map(({ effect, principal, actions, conditions }) => ({
      Effect: effect,
      ...(principal !== undefined && {
        Principal: { [principal.kind]: oneOrAll(principal.values) },
      }),
      Action: oneOrAll(actions),
      ...(conditions.length > 0 && { Condition: conditionBlock(conditions) }),
    })),
  }),
  isMalformed: false,
  statements,
})

/** A permission or session policy over everything. */
export const permissionText = (statements: readonly Statement[]): PolicyText => ({
  text: JSON.stringify({
    Version: '2012-10-17',
    Statement: statements.map(({ effect, actions }) => ({
      Effect: effect,
      Action: oneOrAll(actions),
      Resource: '*',
    })),
  }),
  isMalformed: false,
  statements,
})

const oneOrAll = (values: readonly string[]): string | readonly string[] =>
  values.length === 1 ? (values[0] ?? '') : values

function conditionBlock(conditions: readonly Condition[]): Record<string, Record<string, unknown>> {
  const block: Record<string, Record<string, unknown>> = {}
  for (const { operator, key, values } of conditions) {
    ;(block[operator] ??= {})[key] = oneOrAll(values)
  }
  return block
}

const malformed = (text: string): PolicyText => ({ text, isMalformed: true, statements: [] })

const statement = (
  members: Readonly<Record<string, unknown>>,
  version = '2012-10-17',
): PolicyText => malformed(JSON.stringify({ Version: version, Statement: [members] }))

const TRUST = {
  Effect: 'Allow',
  Principal: { Service: 'pods.eks.amazonaws.com' },
  Action: 'sts:AssumeRole',
}
const PERMISSION = { Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }

/** Trust policies that IAM refuses (IAM User Guide, "Grammar of the IAM JSON policy language"). */
export const MALFORMED_TRUSTS: readonly PolicyText[] = [
  malformed('{'),
  malformed('not JSON'),
  malformed(
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        { ...TRUST, Sid: 'a' },
        { ...TRUST, Sid: 'a' },
      ],
    }),
  ),
  statement(TRUST, '2012-10-18'),
  statement({ ...TRUST, Resource: '*' }),
  statement({ ...TRUST, Action: 's3:GetObject' }),
  statement({ ...TRUST, Effect: 'allow' }),
  statement({ ...TRUST, Sid: 'with-dash' }),
  statement({ ...TRUST, Principal: { Service: '*' } }),
  statement({ ...TRUST, Principal: { AWS: 'arn:aws:iam::111122223333:role/app-*' } }),
  statement({ Effect: 'Allow', Action: 'sts:AssumeRole' }),
  statement({ Effect: 'Allow', Principal: TRUST.Principal }),
  statement({ Effect: 'Allow', NotPrincipal: TRUST.Principal, Action: 'sts:AssumeRole' }),
]

export const MALFORMED_PERMISSIONS: readonly PolicyText[] = [
  malformed('{'),
  statement(PERMISSION, '2020-01-01'),
  statement({ ...PERMISSION, Principal: '*' }),
  statement({ ...PERMISSION, Effect: 'ALLOW' }),
  statement({ ...PERMISSION, Sid: 'a b' }),
  statement({ Effect: 'Allow', Action: 's3:GetObject' }),
  statement({ Effect: 'Allow', Resource: '*' }),
]
