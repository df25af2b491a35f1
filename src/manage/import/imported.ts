/** What is imported, and what could not be. */
import type { ServiceAccountName } from '../../iam/service-account-name.ts'

/** Whose identity is imported; with neither, all of a cluster. */
export interface ImportScope {
  readonly namespaces: readonly string[]
  readonly serviceAccounts: readonly ServiceAccountName[]
}

/** Whether everything of a cluster is asked for, and not service accounts alone. */
export const isWhole = ({ namespaces, serviceAccounts }: ImportScope): boolean =>
  namespaces.length + serviceAccounts.length === 0

export const isInScope = (scope: ImportScope, { name, namespace }: ServiceAccountName): boolean =>
  isWhole(scope) ||
  scope.namespaces.includes(namespace) ||
  scope.serviceAccounts.some((one) => one.namespace === namespace && one.name === name)

/** What the output does not say, or says otherwise than it is, and why. */
export interface LeftOut {
  readonly what: string
  readonly why: string
}

export interface Imported {
  readonly text: string
  readonly leftOut: readonly LeftOut[]
}

/** One line: no text of others can end it, nor move a terminal's cursor. */
export const lineOf = ({ what, why }: LeftOut): string =>
  `${what}: ${why}`.replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, ' ')

/** What a file says of what it does not say. */
export const commentsOf = (leftOut: readonly LeftOut[]): readonly string[] =>
  leftOut.map((one) => `# Left out: ${lineOf(one)}`)

export const byServiceAccount = (
  one: { readonly serviceAccount: ServiceAccountName },
  other: { readonly serviceAccount: ServiceAccountName },
): number => {
  const key = ({ serviceAccount: { name, namespace } }: typeof one): string =>
    `${namespace}/${name}`
  return key(one) < key(other) ? -1 : 1
}
