import type { Association } from '../../associations/association.ts'
import type { Tags } from '../../iam/tags.ts'
import { codeOf } from '../../lib/errors.ts'
import { mapLimited } from '../../lib/map-limited.ts'

/** What a list tells of an association: neither its role nor its tags. */
export type AssociationSummary = Pick<
  Association,
  'associationId' | 'associationArn' | 'namespace' | 'serviceAccount' | 'ownerArn'
>

export interface AssociationFilter {
  readonly namespace?: string
  readonly serviceAccount?: string
}

/** An association to be made. */
export type NewAssociation = Pick<Association, 'namespace' | 'serviceAccount' | 'roleArn'> &
  Partial<Pick<Association, 'targetRoleArn' | 'disableSessionTags' | 'policy' | 'tags'>>

/** What is to be changed; an empty `targetRoleArn` or `policy` takes it away. */
export type AssociationChange = Partial<
  Pick<Association, 'roleArn' | 'targetRoleArn' | 'disableSessionTags' | 'policy'>
>

/**
 * The Pod Identity associations of a cluster, on EKS or on a broker. Faults are ServiceFault with
 * AWS's codes, without the `Exception` behind them: `ResourceNotFound`, `ResourceInUse`,
 * `InvalidParameter`, `ResourceLimitExceeded`, `AccessDenied`.
 */
export interface AssociationPort {
  /** For messages: `EKS in eu-central-1`. */
  readonly place: string
  /** All pages. */
  list(filter?: AssociationFilter): Promise<readonly AssociationSummary[]>
  describe(associationId: string): Promise<Association>
  create(association: NewAssociation): Promise<Association>
  update(associationId: string, change: AssociationChange): Promise<Association>
  delete(associationId: string): Promise<Association>
  readonly tagging: {
    tag(associationArn: string, tags: Tags): Promise<void>
    untag(associationArn: string, keys: readonly string[]): Promise<void>
  }
}

/** Calls of one command under way at once. */
export const AT_ONCE = 8

/**
 * All associations with their roles: a call for each, some at a time. What is deleted meanwhile is
 * left out.
 */
export async function describeAssociations(
  port: AssociationPort,
  filter: AssociationFilter = {},
): Promise<readonly Association[]> {
  const found = await mapLimited(await port.list(filter), AT_ONCE, ({ associationId }) =>
    orGone(() => port.describe(associationId)),
  )
  return found.filter((one) => one !== undefined)
}

/** The association of a service account; undefined where it has none. */
export async function findAssociation(
  port: AssociationPort,
  key: { readonly namespace: string; readonly name: string },
): Promise<Association | undefined> {
  const { name: serviceAccount, namespace } = key
  const [found] = await describeAssociations(port, { namespace, serviceAccount })
  return found
}

/** Undefined in place of the fault `ResourceNotFound`. */
export async function orGone<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (codeOf(error) === 'ResourceNotFound') return undefined
    throw error
  }
}
