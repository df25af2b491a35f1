/** Permissions boundaries of roles and users. */
import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import type { QueryParameters } from '../wire/query.ts'
import { accountOf, type Call } from '../world.ts'
import { noSuchEntity } from './faults.ts'
import { POLICY_ARN } from './shapes.ts'

/** What can have a boundary. */
interface Bounded {
  readonly boundaryArn?: string
}

interface BoundedKind<T extends Bounded> {
  readonly word: 'Role' | 'User'
  readonly readName: (parameters: QueryParameters, constraints: Constraints) => string
  readonly require: (
    call: Call,
    name: string,
    context?: Readonly<Record<string, string | readonly string[]>>,
  ) => T
  readonly save: (call: Call, entity: T) => void
  readonly nameOf: (entity: T) => string
}

/** The boundary that an entity is shown with. */
export function boundaryMembers({ boundaryArn }: Bounded): ResultMembers {
  if (boundaryArn === undefined) return {}
  const boundary = {
    PermissionsBoundaryType: 'Policy',
    PermissionsBoundaryArn: boundaryArn,
  }
  return { PermissionsBoundary: boundary }
}

/** A boundary is a managed policy, of the account or AWS's. @throws AwsFault `NoSuchEntity` */
export function requireBoundary(call: Call, arn: string): void {
  const owner = call.world.tables.policies.get(arn)?.accountId
  if (owner === 'aws' || owner === accountOf(call)) return
  throw noSuchEntity(`Scope ARN: ${arn} does not exist or is not attachable.`)
}

/** `Put…PermissionsBoundary` and `Delete…PermissionsBoundary`. */
export function boundaryOperations<T extends Bounded>(kind: BoundedKind<T>): QueryOperations {
  const put = (call: Call, parameters: QueryParameters): undefined => {
    const constraints = new Constraints()
    const name = kind.readName(parameters, constraints)
    const given = parameters.get('PermissionsBoundary')
    const boundaryArn = constraints.text('permissionsBoundary', given, POLICY_ARN) ?? ''
    constraints.check()
    const entity = kind.require(call, name, { 'iam:PermissionsBoundary': boundaryArn })
    requireBoundary(call, boundaryArn)
    kind.save(call, { ...entity, boundaryArn })
  }
  const remove = (call: Call, parameters: QueryParameters): undefined => {
    const constraints = new Constraints()
    const name = kind.readName(parameters, constraints)
    constraints.check()
    const entity = kind.require(call, name)
    if (entity.boundaryArn === undefined) {
      throw noSuchEntity(`Entity ${kind.nameOf(entity)} does not have a permissions boundary.`)
    }
    const { boundaryArn: _gone, ...rest } = entity
    kind.save(call, rest as T)
  }
  return {
    [`Put${kind.word}PermissionsBoundary`]: put,
    [`Delete${kind.word}PermissionsBoundary`]: remove,
  }
}
