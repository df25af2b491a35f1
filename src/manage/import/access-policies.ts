import type { AccessPolicy } from '../desired/desired-state.ts'

/** Access policies with their scopes, as eksctl's files and ACK's AccessEntry both spell them. */
export const spellAccessPolicies = (
  policies: readonly AccessPolicy[],
): readonly {
  readonly policyARN: string
  readonly accessScope: { readonly type: string; readonly namespaces?: readonly string[] }
}[] =>
  policies
    .toSorted((one, other) => (one.policyArn < other.policyArn ? -1 : 1))
    .map(({ namespaces, policyArn }) => ({
      policyARN: policyArn,
      accessScope:
        namespaces === undefined
          ? { type: 'cluster' }
          : { type: 'namespace', namespaces: namespaces.toSorted() },
    }))
