/** What an imported config says, and what it leaves unsaid so that its plan has nothing to do. */
import type { LeftOut } from '../imported.ts'

/** The lists of a cluster's document. */
export type ListName = 'serviceAccounts' | 'associations' | 'accessEntries' | 'addons'

/** One item of a list. */
export interface Entry {
  /** With its cluster, so that it is told from those of others. */
  readonly key: string
  readonly list: ListName
  /** As people call it. */
  readonly what: string
  /** Roles that it writes with their permissions. */
  readonly made: readonly string[]
}

/** Grows until the plan is empty, and so comes to an end. */
export class Choices {
  /** ARNs of roles that podrole made, and that are named by their ARNs all the same. */
  readonly named = new Map<string, LeftOut>()
  /** Keys of items that are left out. */
  readonly without = new Map<string, LeftOut>()
  /** Keys of add-ons whose identity is left out. */
  readonly quiet = new Map<string, LeftOut>()
  /** Keys of associations that do not ask for their service account. */
  readonly unmade = new Map<string, LeftOut>()
  /** Lists that are left out, by cluster and list. */
  readonly lists = new Map<string, LeftOut>()

  /** What was found out of a role and who has it, which stays so. */
  readonly givenFaults = new Map<string, string | undefined>()

  /** Of all choices: while it grows, there is less to say. */
  count(): number {
    return this.#all().reduce((sum, one) => sum + one.size, 0)
  }

  hasList(clusterArn: string, list: ListName): boolean {
    return !this.lists.has(`${clusterArn} ${list}`)
  }

  dropList(clusterArn: string, list: ListName, why: string): void {
    const what = `${LIST_PATHS[list]} as a whole`
    this.lists.set(`${clusterArn} ${list}`, { what, why })
  }

  /** Names its roles by their ARNs, where they were written; else leaves it out. */
  demote(entry: Entry, why: string): void {
    const written = entry.made.filter((arn) => !this.named.has(arn))
    for (const arn of written) this.name(arn, why)
    if (written.length > 0) return
    const { key, list, what } = entry
    if (list === 'addons' && !this.quiet.has(key)) {
      this.quiet.set(key, { what: `identity of ${what}`, why })
    } else this.without.set(key, { what, why })
  }

  name(arn: string, why: string): void {
    const what = `permissions of role ${arn.slice(arn.indexOf('role/') + 'role/'.length)}`
    this.named.set(arn, { what: `${what} (it is named by its ARN)`, why })
  }

  leftOut(): readonly LeftOut[] {
    return this.#all().flatMap((one) => [...one.values()])
  }

  #all(): readonly ReadonlyMap<string, LeftOut>[] {
    return [this.lists, this.without, this.quiet, this.unmade, this.named]
  }
}

export const LIST_PATHS: Readonly<Record<ListName, string>> = {
  serviceAccounts: 'iam.serviceAccounts',
  associations: 'iam.podIdentityAssociations',
  accessEntries: 'accessConfig.accessEntries',
  addons: 'addons',
}
