/** How much of the quota of a role's trust policy a text takes; all in characters. */
export interface TrustRoom {
  readonly characters: number
  readonly quota: number
  /** Negative where the text is too long. */
  readonly left: number
  /** How many further service accounts of the given length fit into a list. */
  readonly moreServiceAccounts: number
}

/** `,""` around one more value of a list. */
const LIST_CHARACTERS = 3

/**
 * Counts every character, white space too: whether AWS counts it is not stated.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
 */
export function trustRoom(
  text: string,
  limits: { readonly quota: number; readonly valueCharacters: number },
): TrustRoom {
  const { quota, valueCharacters } = limits
  const left = quota - text.length
  const moreServiceAccounts = Math.max(0, Math.floor(left / (valueCharacters + LIST_CHARACTERS)))
  return { characters: text.length, quota, left, moreServiceAccounts }
}
