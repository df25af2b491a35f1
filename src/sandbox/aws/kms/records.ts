import type { Tags } from '../records.ts'

/** A key of KMS. Times are milliseconds since the epoch. */
export interface KmsKeyRecord {
  readonly accountId: string
  readonly region: string
  /** UUID. */
  readonly keyId: string
  readonly arn: string
  readonly description: string
  /** `SYMMETRIC_DEFAULT`, `ECC_NIST_P256`, `RSA_2048`, … */
  readonly keySpec: string
  /** PKCS #8 in PEM; of a symmetric key 32 bytes in base64. */
  readonly material: string
  readonly policy: string
  /** Unique ids of the roles and users that its policy named, at the time of the write. */
  readonly policyPrincipalIds: Readonly<Record<string, string>>
  readonly enabled: boolean
  readonly deletionAtMs?: number
  readonly tags: Tags
  readonly createdAtMs: number
}

/** Symmetric keys encrypt, and the asymmetric ones of the sandbox sign. */
export const usageOf = (key: Pick<KmsKeyRecord, 'keySpec'>): 'ENCRYPT_DECRYPT' | 'SIGN_VERIFY' =>
  key.keySpec === 'SYMMETRIC_DEFAULT' ? 'ENCRYPT_DECRYPT' : 'SIGN_VERIFY'

export interface KmsAliasRecord {
  readonly accountId: string
  readonly region: string
  /** `alias/NAME` */
  readonly aliasName: string
  readonly arn: string
  readonly keyId: string
  readonly createdAtMs: number
  readonly updatedAtMs: number
}
