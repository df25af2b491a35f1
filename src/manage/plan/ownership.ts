/** What podrole made, and for which part of which file: told by tags and annotations. */
import { isDeepStrictEqual } from 'node:util'
import { isOwned, OWNER_TAG, type Tags } from '../../iam/tags.ts'

/** The lists of a file that resources come from. */
export type Block =
  | 'iam.withOIDC'
  | 'iam.serviceAccounts'
  | 'iam.podIdentityAssociations'
  | 'accessConfig.accessEntries'
  | 'addons'

/**
 * The list that declares a resource. What has none was made by a single command, and is never
 * deleted because a file does not speak of it.
 */
const BLOCK_KEY = 'podrole.dev/block'
/** The ARN of the cluster that a role was made for. */
const CLUSTER_KEY = 'podrole.dev/cluster'
/** Changed by podrole, but made by somebody else, and so never deleted. */
const ADOPTED_KEY = 'podrole.dev/adopted'
/** Who wrote the role's annotation on a service account that somebody else made. */
export const ANNOTATED_KEY = 'podrole.dev/role-arn-by'

/** The tags of what is made for a block. */
export const madeTags = (tags: Tags, block: Block, clusterArn?: string): Tags => ({
  ...tags,
  ...OWNER_TAG,
  [BLOCK_KEY]: block,
  ...(clusterArn !== undefined && { [CLUSTER_KEY]: clusterArn }),
})

/** The tags that something is to have which is there: what was adopted stays so. */
export const tagsOver = (
  tags: Tags,
  of: { readonly block: Block; readonly clusterArn?: string; readonly found: Tags },
): Tags => ({
  ...madeTags(tags, of.block, of.clusterArn),
  ...(isOthers(of.found) && { [ADOPTED_KEY]: 'true' }),
})

/** Whether a file's list made it, so that a file without it deletes it. */
export const isDeclaredBy = (tags: Tags, block: Block): boolean =>
  isOwned(tags) && tags[BLOCK_KEY] === block && tags[ADOPTED_KEY] === undefined

/**
 * Whether a single command made it, for no file: one that a file names as it is stays without a
 * mark, and a file that names it no more does not delete it.
 */
export const isOfCommand = (tags: Tags): boolean => isOwned(tags) && tags[BLOCK_KEY] === undefined

/** Whether tags are those that a file asks for, apart from podrole's own marks and AWS's. */
export const isSameTags = (found: Tags, wanted: Tags): boolean =>
  isDeepStrictEqual(changeableTags(found), changeableTags(wanted))

export const isAdopted = (tags: Tags): boolean => tags[ADOPTED_KEY] !== undefined

/** Whether somebody else made it: it keeps what its maker gave it. */
export const isOthers = (tags: Tags): boolean => !isOwned(tags) || isAdopted(tags)

/** Why a delete of what a list declares leaves it alone; undefined where that list made it. */
export function whyLeave(tags: Tags, block: Block): string | undefined {
  if (isDeclaredBy(tags, block)) return undefined
  if (!isOwned(tags)) return 'podrole did not make it'
  if (isAdopted(tags)) return 'podrole only adopted it'
  const other = blockOfTags(tags)
  return other === undefined ? 'a command of its own made it, no file' : `it is of ${other}`
}

/** The list that it was made for. */
export const blockOfTags = (tags: Tags): string | undefined => tags[BLOCK_KEY]

/** The cluster that a role was made for. */
export const clusterOfTags = (tags: Tags): string | undefined => tags[CLUSTER_KEY]

/** AWS's own tags are nobody's to change, and podrole's other commands have marks of their own. */
export const changeableTags = (tags: Tags): Tags =>
  Object.fromEntries(Object.entries(tags).filter(([key]) => !/^(?:aws:|podrole\.dev\/)/i.test(key)))
