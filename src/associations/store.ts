import { PodroleError } from '../lib/errors.ts'
import type { Association, AssociationKey } from './association.ts'

export interface AssociationFilter {
  readonly clusterName: string
  readonly namespace?: string
  readonly serviceAccount?: string
  /** 1 to 100. */
  readonly limit: number
  /** The last associationId of the page before. */
  readonly after?: string
}

/** Where associations are kept. Every adapter passes `store.suite.ts`. */
export interface AssociationStore {
  /** @throws AssociationExists PodroleError `AssociationExists`; its `existing` names the id */
  create(association: Association): Promise<void>
  find(key: AssociationKey): Promise<Association | undefined>
  get(clusterName: string, associationId: string): Promise<Association | undefined>
  /** In the order of their ids. */
  list(filter: AssociationFilter): Promise<readonly Association[]>
  /** False where it is gone. */
  replace(association: Association): Promise<boolean>
  /** What was deleted, or undefined where it was gone. */
  delete(clusterName: string, associationId: string): Promise<Association | undefined>
}

/** A service account has one association in a cluster; this one is taken. */
export class AssociationExists extends PodroleError {
  /** The id of the association that has the key. */
  readonly existing: string

  constructor(existing: string) {
    super('AssociationExists', `Association already exists: ${existing}`, { status: 409 })
    this.existing = existing
  }
}
