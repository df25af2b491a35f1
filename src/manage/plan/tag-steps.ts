import type { Tags } from '../../iam/tags.ts'
import { changeableTags } from './ownership.ts'

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

export const hasAny = (tags: Tags): boolean => Object.keys(tags).length > 0
