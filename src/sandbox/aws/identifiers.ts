import { randomBytes, randomInt } from 'node:crypto'

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** `AKIA…` (a user's), `ASIA…` (a session's): 20 characters. */
export const newAccessKeyId = (kind: 'AKIA' | 'ASIA'): string => kind + pick(BASE32, 16)

/**
 * IAM's unique ids: `AROA…` of a role, `AIDA…` of a user, `ANPA…` of a policy, `AGPA…` of a group,
 * `AIPA…` of an instance profile; 21 characters.
 */
export const newUniqueId = (kind: 'AROA' | 'AIDA' | 'ANPA' | 'AGPA' | 'AIPA'): string =>
  kind + pick(BASE32, 17)

/** 40 characters. */
export const newSecretAccessKey = (): string => randomBytes(30).toString('base64')

/** A session token of exactly that many characters. */
export function newSessionToken(length: number): string {
  const start = 'IQoJb3JpZ2luX2Vj'
  return (start + randomBytes(length).toString('base64')).slice(0, length)
}

function pick(alphabet: string, count: number): string {
  let text = ''
  for (let index = 0; index < count; index += 1) text += alphabet[randomInt(alphabet.length)]
  return text
}
