import type { Tags } from '../../iam/tags.ts'
import { type Block, changeableTags, isOthers, tagsOver } from './ownership.ts'
import type { Draft } from './steps.ts'

/** What is to change of tags so that they are the wanted ones and no others, but for AWS's own. */
export function tagChanges(
  found: Tags,
  wanted: Tags,
  options: { readonly keepOthers: boolean } = { keepOthers: false },
): {
  /** Values of the keys that get another one. */
  readonly before: Tags
  readonly after: Tags
  readonly gone: Tags
} {
  const changed = Object.entries(wanted).filter(([key, value]) => found[key] !== value)
  const before = changed.flatMap(([key]) => {
    const value = found[key]
    return value === undefined ? [] : [[key, value] as const]
  })
  const others = Object.entries(changeableTags(found)).filter(([key]) => !(key in wanted))
  return {
    before: Object.fromEntries(before),
    after: Object.fromEntries(changed),
    gone: Object.fromEntries(options.keepOthers ? [] : others),
  }
}

/** Tags of something of a cluster's, and those that a file gives it. */
interface WantedTags {
  readonly found: Tags
  readonly tags: Tags
  readonly block: Block
}

/** What is to change so that it has the tags of the file. */
const changesOfTags = (wanted: WantedTags): ReturnType<typeof tagChanges> =>
  tagChanges(wanted.found, tagsOver(wanted.tags, wanted), { keepOthers: isOthers(wanted.found) })

/** The steps by which it gets them. */
export function planTags(
  draft: Draft,
  resource: { readonly cluster: string; readonly arn: string; readonly what: string },
  wanted: WantedTags,
): void {
  const { after, before, gone } = changesOfTags(wanted)
  if (hasAny(after)) draft.step({ do: 'tag-resource', ...resource, before, after })
  if (hasAny(gone)) draft.step({ do: 'untag-resource', ...resource, before: gone })
}

export const hasAny = (tags: Tags): boolean => Object.keys(tags).length > 0
