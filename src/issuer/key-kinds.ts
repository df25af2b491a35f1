/** The kinds of key that podrole makes: those of Kubernetes' signers. */
export const KEY_KINDS = ['rsa-2048', 'rsa-3072', 'rsa-4096', 'p-256', 'p-384', 'p-521'] as const
export type KeyKind = (typeof KEY_KINDS)[number]
