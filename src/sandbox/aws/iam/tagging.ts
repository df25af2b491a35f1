/** Tags of roles, users, policies, providers and instance profiles: three operations each. */
import type { Tags } from '../records.ts'
import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { pageOf } from '../wire/pages.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Call } from '../world.ts'
import {
  mergeTags,
  pageMembers,
  readPage,
  readTagKeys,
  readTags,
  requestTagKeys,
  type TagCase,
  tagNodes,
  withoutTags,
} from './tags.ts'

/** A kind of thing that has tags. */
export interface TaggedKind<T extends { readonly tags: Tags }> {
  /** As the operations name it: `Role` of TagRole. */
  readonly word: string
  readonly tagCase: TagCase
  /** Reads what names it, where `constraints` collects what is wrong with that. */
  readonly readName: (parameters: QueryParameters, constraints: Constraints) => string
  /** The thing of that name that the caller may do the operation on. @throws AwsFault */
  readonly require: (
    call: Call,
    name: string,
    context?: Readonly<Record<string, string | readonly string[]>>,
  ) => T
  readonly save: (call: Call, thing: T) => void
}

/** `Tag…`, `Untag…` and `List…Tags` of that kind. */
export function taggingOperations<T extends { readonly tags: Tags }>(
  kind: TaggedKind<T>,
): QueryOperations {
  const tag = (call: Call, parameters: QueryParameters): undefined => {
    const constraints = new Constraints()
    const name = kind.readName(parameters, constraints)
    const tags = readTags(call, parameters, constraints)
    constraints.check()
    const thing = kind.require(call, name, requestTagKeys(tags))
    kind.save(call, { ...thing, tags: mergeTags(call, thing.tags, tags, kind.tagCase) })
  }
  const untag = (call: Call, parameters: QueryParameters): undefined => {
    const constraints = new Constraints()
    const name = kind.readName(parameters, constraints)
    const keys = readTagKeys(call, parameters, constraints)
    constraints.check()
    const thing = kind.require(call, name, { 'aws:TagKeys': keys })
    kind.save(call, { ...thing, tags: withoutTags(thing.tags, keys, kind.tagCase) })
  }
  const list = (call: Call, parameters: QueryParameters): ResultMembers => {
    const constraints = new Constraints()
    const name = kind.readName(parameters, constraints)
    const ask = readPage(parameters, constraints)
    constraints.check()
    const page = pageOf(Object.entries(kind.require(call, name).tags), ([key]) => key, ask)
    return { ...pageMembers(page.next), Tags: tagNodes(Object.fromEntries(page.items)) }
  }
  return {
    [`Tag${kind.word}`]: tag,
    [`Untag${kind.word}`]: untag,
    [`List${kind.word}Tags`]: list,
  }
}
