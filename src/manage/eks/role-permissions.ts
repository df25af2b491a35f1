/** What a role that is made may do: managed policies, a policy of one's own, well-known ones. */
import { parsePolicy } from '../../iam/policy.ts'
import { PodroleError } from '../../lib/errors.ts'
import { WELL_KNOWN_POLICIES, wellKnownPermissions } from '../desired/well-known-policies.ts'

/** Permissions as they are typed. */
export interface PermissionWishes {
  readonly policyArns: readonly string[]
  /** The text of a policy. */
  readonly policy?: string
  /** By eksctl's names, capitals or small letters. */
  readonly wellKnown: readonly string[]
}

export interface Permissions {
  readonly policyArns: readonly string[]
  readonly policy?: string
}

/**
 * Managed policies and the one inline policy that they come to in a partition: documents of
 * well-known policies are put behind the statements of one's own.
 * @throws PodroleError `InvalidWellKnownPolicy`, `PolicyVersion`, `MalformedPolicyDocument`
 */
export function permissionsOf(wishes: PermissionWishes, partition: string): Permissions {
  const { policy: own, policyArns, wellKnown } = wishes
  const chosen = Object.fromEntries(wellKnown.map((name) => [readName(name), true]))
  const known = wellKnownPermissions(chosen, partition)
  const documents = Object.values(known.inline)
  const policy = documents.length === 0 ? own : join(own, documents)
  return {
    // A managed policy that is named both ways is attached once.
    policyArns: [...policyArns, ...known.policyArns.filter((arn) => !policyArns.includes(arn))],
    ...(policy !== undefined && { policy }),
  }
}

function readName(text: string): string {
  const names = Object.keys(WELL_KNOWN_POLICIES)
  const found = names.find((name) => name.toLowerCase() === text.toLowerCase())
  if (found !== undefined) return found
  throw new PodroleError(
    'InvalidWellKnownPolicy',
    `${JSON.stringify(text.slice(0, 100))} is no well-known policy: wanted ${names.join(', ')}`,
  )
}

function join(own: string | undefined, documents: readonly string[]): string {
  const first = own === undefined ? [] : readOwn(own)
  const others = documents.flatMap(statementsOf).map(({ Sid: _sid, ...statement }) => statement)
  return JSON.stringify({ Version: '2012-10-17', Statement: [...first, ...others] })
}

type Statement = Readonly<Record<string, unknown>>

function readOwn(text: string): readonly Statement[] {
  // An older version takes variables as text: in one document with the others it would mean more.
  if (parsePolicy(text, 'identity').version === '2012-10-17') return statementsOf(text)
  throw new PodroleError(
    'PolicyVersion',
    'the policy has no "Version": "2012-10-17", which those of --well-known-policies have',
    { hint: 'Give it that version, or a role of its own.' },
  )
}

function statementsOf(text: string): readonly Statement[] {
  const { Statement } = JSON.parse(text) as { Statement: Statement | readonly Statement[] }
  return [Statement].flat()
}
