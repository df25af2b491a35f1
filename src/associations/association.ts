/**
 * (cluster, namespace, service account) → role: EKS's PodIdentityAssociation, on EKS or on a
 * broker. Times are milliseconds since the epoch.
 */
export interface Association {
  /** `a-` and 17 lower-case letters and digits. */
  readonly associationId: string
  readonly associationArn: string
  readonly clusterName: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly roleArn: string
  readonly targetRoleArn?: string
  readonly disableSessionTags: boolean
  /** Session policy, JSON text; needs `disableSessionTags`. */
  readonly policy?: string
  /** Set by the server where `targetRoleArn` and `disableSessionTags` are both there. */
  readonly externalId?: string
  readonly ownerArn?: string
  readonly tags: Readonly<Record<string, string>>
  readonly createdAtMs: number
  readonly modifiedAtMs: number
}

/** The key that is unique in a cluster. */
export interface AssociationKey {
  readonly clusterName: string
  readonly namespace: string
  readonly serviceAccount: string
}
