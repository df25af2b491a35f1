/** What `podrole demo --break` can break. */
export const BREAKABLE = [
  'webhook',
  'trust',
  'issuer',
  'association',
  'permission',
  'agent',
] as const

export type Breakable = (typeof BREAKABLE)[number]
