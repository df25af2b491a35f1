/** Which role a pod of a service account is to have, out of what was read before it ran. Pure. */
import { tryParseArn } from '../../iam/arn.ts'
import type { Container, ServiceAccount } from '../../kube/objects.ts'
import type { Fact } from '../facts/fact.ts'
import { hasEnv, ROLE_ANNOTATION } from '../facts/way.ts'
import type { AssociationFact } from '../facts/workload-facts.ts'

export interface RoleSources {
  /** By whoever asks. */
  readonly given: string | undefined
  readonly serviceAccount: ServiceAccount
  readonly association: Fact<AssociationFact | undefined>
}

export type ExpectedRole =
  | { readonly kind: 'known'; readonly roleArn: string; readonly source: string }
  /** Nothing names a role. */
  | { readonly kind: 'none' }
  /** An association decides, and it was not read. */
  | { readonly kind: 'unread'; readonly why: string }

/** A webhook prefers an association to an annotation. */
export function expectedRole(
  { association, given, serviceAccount }: RoleSources,
  container: Container | undefined,
): ExpectedRole {
  if (given !== undefined) return { kind: 'known', roleArn: given, source: '--expect-role' }
  if (association.known && association.value !== undefined) {
    const { id, roleArn, targetRoleArn } = association.value
    return targetRoleArn === undefined
      ? { kind: 'known', roleArn, source: `association ${id}` }
      : { kind: 'known', roleArn: targetRoleArn, source: `target role of association ${id}` }
  }
  const isPodIdentity =
    container !== undefined && hasEnv(container, 'AWS_CONTAINER_CREDENTIALS_FULL_URI')
  if (isPodIdentity && !association.known) return { kind: 'unread', why: association.why }
  const annotated = serviceAccount.metadata.annotations?.[ROLE_ANNOTATION]
  if (annotated)
    return { kind: 'known', roleArn: annotated, source: `annotation ${ROLE_ANNOTATION}` }
  return { kind: 'none' }
}

/** An identity is a session of a role: sessions show a role's account and name, not its path. */
export function isSessionOf(identity: string, roleArn: string): boolean {
  const [session, role] = [tryParseArn(identity), tryParseArn(roleArn)]
  if (session === undefined || role === undefined) return false
  const [kind, name] = session.resource.split('/')
  return (
    kind === 'assumed-role' &&
    role.resource.startsWith('role/') &&
    name === role.resource.split('/').at(-1) &&
    session.partition === role.partition &&
    session.accountId === role.accountId
  )
}
