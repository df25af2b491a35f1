/**
 * What the model knows: who is there, as plain data. Written from AWS's documentation and service
 * models, with nothing of the sandbox in it.
 */
import type { Outcome, PolicyText } from './operations.suite.ts'
import type { Walks } from './pages.suite.ts'

export type Tags = ReadonlyMap<string, string>

export interface Role {
  readonly accountId: string
  readonly name: string
  readonly path: string
  readonly arn: string
  readonly id: string
  description: string | undefined
  maxSeconds: number
  trust: PolicyText
  /** Whom the trust policy named when it was written: ARN of a role → its unique id. */
  trusted: ReadonlyMap<string, string>
  boundary: string | undefined
  readonly inline: Map<string, PolicyText>
  readonly attached: Set<string>
  tags: Tags
  readonly createdSeconds: number
}

export interface Profile {
  readonly name: string
  readonly path: string
  readonly arn: string
  readonly id: string
  /** The role's name in lower case. */
  role: string | undefined
  readonly tags: Tags
  readonly createdSeconds: number
}

export interface Provider {
  readonly arn: string
  /** Without its scheme. */
  readonly url: string
  clientIds: readonly string[]
  thumbprints: readonly string[]
  tags: Tags
  readonly createdSeconds: number
}

export interface PodAssociation {
  readonly id: string
  readonly arn: string
  readonly clusterName: string
  readonly namespace: string
  readonly serviceAccount: string
  roleArn: string
  targetRoleArn: string | undefined
  disableSessionTags: boolean
  policy: string | undefined
  tags: Tags
  readonly createdSeconds: number
  modifiedSeconds: number
}

export interface Account {
  /** By names in lower case. */
  readonly roles: Map<string, Role>
  readonly profiles: Map<string, Profile>
  readonly providers: Map<string, Provider>
}

export const QUOTAS = {
  oidcProviders: 100,
  clientIdsPerProvider: 100,
  thumbprintsPerProvider: 5,
  roles: 1000,
  trustPolicyCharacters: 2048,
  rolePolicyCharacters: 10_240,
  policiesPerRole: 20,
  instanceProfiles: 1000,
  tagsPerResource: 50,
  associations: 5000,
}

export type QuotaName = keyof typeof QUOTAS

export interface World {
  readonly region: string
  nowMs: number
  readonly quotas: Record<QuotaName, number>
  readonly accounts: ReadonlyMap<string, Account>
  /** EKS clusters of the first account. */
  readonly clusters: ReadonlySet<string>
  readonly clusterAccount: string
  /** The issuer of the clusters' tokens. */
  readonly associations: Map<string, PodAssociation>
  /** Ids of associations that were ever there. */
  readonly associationIds: string[]
  /** Roles that came without a call: rows of ListRoles, by account and name. */
  readonly givenRoles: ReadonlyMap<string, ReadonlyMap<string, GivenRole>>
  readonly walks: Walks
  /** Every unique id that was given out: none comes twice. */
  readonly ids: Set<string>
}

/** A role linked to a service. */
export interface GivenRole {
  readonly [name: string]: string
  readonly Path: string
}

export const accountOf = (world: World, accountId: string): Account => {
  const account = world.accounts.get(accountId)
  if (account === undefined) throw new Error(`the model has no account ${accountId}`)
  return account
}

/** A role by its ARN, its path and case included, in whichever account. */
export function roleByArn(world: World, arn: string): Role | undefined {
  for (const { roles } of world.accounts.values()) {
    for (const role of roles.values()) if (role.arn === arn) return role
  }
  return undefined
}

/** Collects what is wrong with a call: shapes are looked at before anything else. */
export class Faults {
  #isShapeless = false
  readonly #shapeCode: string
  readonly #codes = new Set<string>()

  constructor(shapeCode = 'ValidationError') {
    this.#shapeCode = shapeCode
  }

  /** A parameter that keeps not to its shape. */
  shape(isWrong: boolean): void {
    this.#isShapeless ||= isWrong
  }

  add(isWrong: boolean, ...codes: readonly string[]): void {
    if (isWrong) for (const code of codes) this.#codes.add(code)
  }

  /** The refusal, where there is one. */
  get refusal(): Outcome | undefined {
    if (this.#isShapeless) return { refused: [this.#shapeCode] }
    return this.#codes.size === 0 ? undefined : { refused: [...this.#codes] }
  }
}

export const refused = (...codes: readonly string[]): Outcome => ({ refused: codes })
export const DONE: Outcome = { members: {} }
