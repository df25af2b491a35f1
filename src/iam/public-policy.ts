import type { PolicyDocument, PolicyStatement } from './policy-document.ts'

/** Keys that narrow a wildcard principal so that a policy is not public. */
const NARROWING = new Set(
  [
    'aws:PrincipalAccount',
    'aws:PrincipalArn',
    'aws:PrincipalOrgID',
    'aws:PrincipalOrgPaths',
    'aws:SourceAccount',
    'aws:SourceArn',
    'aws:SourceIp',
    'aws:SourceOrgID',
    'aws:SourceOrgPaths',
    'aws:SourceOwner',
    'aws:SourceVpc',
    'aws:SourceVpce',
    'aws:userid',
    's3:DataAccessPointAccount',
    's3:DataAccessPointArn',
    's3:x-amz-server-side-encryption-aws-kms-key-id',
  ].map((key) => key.toLowerCase()),
)

/**
 * Whether a policy grants anything to everybody. Source: Amazon S3 User Guide, "Blocking public
 * access to your Amazon S3 storage", the meaning of "public".
 */
export function isPublicPolicy(document: PolicyDocument): boolean {
  return document.statements.some((statement) => isPublicStatement(statement))
}

/** The same of one statement. */
export function isPublicStatement(statement: PolicyStatement): boolean {
  if (statement.effect !== 'Allow') return false
  const everybody =
    statement.notPrincipals !== undefined ||
    (statement.principals ?? []).some(({ value }) => value === '*')
  return everybody && !statement.conditions.some((condition) => narrows(condition))
}

function narrows(condition: PolicyStatement['conditions'][number]): boolean {
  const { base, ifExists, set } = condition.operator
  if (ifExists || set !== undefined || base.includes('Not') || base === 'Null') return false
  if (!NARROWING.has(condition.key.toLowerCase())) return false
  return condition.values.every((value) => !value.includes('*') && !/^0\.0\.0\.0|^::\//.test(value))
}
