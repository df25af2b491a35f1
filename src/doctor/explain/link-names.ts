/** In the order in which they are looked at; the first that is broken is the cause. */
export const LINKS = [
  'pod',
  'token',
  'issuer',
  'provider',
  'association',
  'agent',
  'network',
  'trust',
  'session',
  'target-role',
  'permissions',
  'sdk-chain',
] as const

export type LinkName = (typeof LINKS)[number]
