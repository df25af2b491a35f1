/** What is asked and what is answered, as plain data: the words that model and wire share. */

/** A member of a request or an answer. Times in answers are whole seconds since the epoch. */
export type Plain =
  | string
  | number
  | boolean
  | undefined
  | readonly Plain[]
  | { readonly [name: string]: Plain }

export type Members = Readonly<Record<string, Plain>>

/** A text among members; the empty text where it is not there or no text. */
export const textOf = (members: Members, name: string): string => {
  const value = members[name]
  return typeof value === 'string' ? value : ''
}

export interface Operation {
  /** `test` is what no service answers: the clock and the quotas. */
  readonly service: 'iam' | 'sts' | 'eks' | 'eks-auth' | 'test'
  readonly name: string
  /** Whose administrator signs; not of calls that are not signed. */
  readonly accountId: string
  /** As an SDK takes it; undefined is left out. Policies are `PolicyText`s. */
  readonly input: Members
}

export interface Answer {
  /** `OK`, or the error's code. */
  readonly code: string
  readonly members: Members
}

export const OK = 'OK'

/** What the model expects of an answer. */
export type Outcome =
  /** One of these codes; a call with several faults may be refused for any of them. */
  | { readonly refused: readonly string[] }
  | { readonly members: Members }
  /** A page of a list, by the walk that it belongs to. */
  | { readonly page: PageOutcome }

export interface PageOutcome {
  /** Which walk: the same list asked for in the same way. */
  readonly walk: string
  readonly isFirst: boolean
  /** The member that holds the rows, and the one that holds the next page's token. */
  readonly rows: string
  readonly token: string
  /** Everything that is there now, by its key. */
  readonly there: ReadonlyMap<string, Plain>
  readonly keyOf: (row: Plain) => string
  readonly limit: number
}

/** A policy's text as it is sent, beside what it means. */
export interface PolicyText {
  readonly [name: string]: Plain
  readonly text: string
  /** IAM refuses it. */
  readonly isMalformed: boolean
  readonly statements: readonly Statement[]
}

/** A statement; of trust policies with one kind of principal. */
export interface Statement {
  readonly [name: string]: Plain
  readonly effect: 'Allow' | 'Deny'
  readonly principal?: Principal
  readonly actions: readonly string[]
  readonly conditions: readonly Condition[]
}

export interface Principal {
  readonly [name: string]: Plain
  readonly kind: 'Federated' | 'Service' | 'AWS'
  /** ARNs or a service's name. */
  readonly values: readonly string[]
}

export interface Condition {
  readonly [name: string]: Plain
  readonly operator: 'StringEquals' | 'StringLike'
  readonly key: string
  readonly values: readonly string[]
}
