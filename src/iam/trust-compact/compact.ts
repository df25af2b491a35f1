/** The smallest trust policy that admits the same. */
import type { JsonNode } from '../json-document.ts'
import { formatJsonDocument } from '../json-text.ts'
import { parsePolicy } from '../policy.ts'
import { POD_IDENTITY_SERVICE } from '../trust-grant.ts'
import {
  memberOf,
  readTrustText,
  statementName,
  textOf,
  type TrustText,
} from '../trust-statements.ts'
import { ACTION, fixedText, PRINCIPAL, readBox, type TrustBox, writeBox } from './box.ts'
import { type Cells, coversCells, type CoverRules, minimise } from './minimise.ts'
import { coversText } from './pattern-cover.ts'
import { membersAdmitted } from './probes.ts'
import { statementTexts } from './statement-texts.ts'

/** A statement that was left as it is, to the last character, and why. */
export interface KeptStatement {
  /** Its Sid, or `#1`. */
  readonly statement: string
  readonly why: string
}

/** Statements that became others. */
export interface JoinedStatements {
  readonly from: readonly string[]
  /** How many they are now; 0 where another statement admits all of theirs. */
  readonly into: number
}

export interface CompactedTrust {
  readonly before: string
  /** The text of `before` where nothing is gained. */
  readonly after: string
  readonly joined: readonly JoinedStatements[]
  readonly kept: readonly KeptStatement[]
  /** Statements of podrole's own that edits and plans will not know as such any more. */
  readonly disowned: readonly string[]
}

export interface CompactOptions {
  /** Joins statements of podrole's own only so that edits and plans still know them. */
  readonly editable?: boolean
}

/** What the compactor goes by; tests break these one by one and see it found out. */
export interface CompactRules extends CoverRules {
  /** Statements of one frame differ in their lists alone. */
  readonly frameOf: (box: TrustBox) => string
  /** Whether `wide` asks for nothing that `narrow` does not ask for. */
  readonly asksLess: (wide: TrustBox, narrow: TrustBox) => boolean
}

export const COMPACT_RULES: CompactRules = {
  covers: (_axis, wide, narrow) => coversText(wide, narrow),
  isSame: (one, other) =>
    one.length === other.length && one.every((value) => other.includes(value)),
  frameOf: (box) =>
    JSON.stringify([
      box.principalType,
      namesOf(box),
      box.fixed.map(fixedText).toSorted(),
      isBoundToIssuer(box) ? box.lists.get(PRINCIPAL) : [],
    ]),
  asksLess: (wide, narrow) => {
    const fixed = new Set(narrow.fixed.map(fixedText))
    return (
      wide.principalType === narrow.principalType &&
      namesOf(wide).every((name) => narrow.lists.has(name)) &&
      wide.fixed.every((one) => fixed.has(fixedText(one)))
    )
  },
}

const namesOf = (box: TrustBox): readonly string[] => [...box.lists.keys()].toSorted()

/** `ISSUER:sub` and `ISSUER:aud` are keys of one issuer; those of AWS are everybody's. */
const isBoundToIssuer = ({ fixed, lists }: TrustBox): boolean =>
  [...lists.keys(), ...fixed.map(({ key }) => key.toLowerCase())].some(
    (key) => key !== PRINCIPAL && key !== ACTION && !/^(?:aws|sts):/.test(key),
  )

/**
 * Joins the Allow statements of a trust policy wherever that is exact: lists of one condition,
 * equal statements, statements within others. What is not understood, or cannot be shown to admit
 * anybody, stays as it is. Whether the outcome admits the same is for `differences` to prove.
 * @throws PodroleError `MalformedPolicyDocument` and the like: IAM would not take the policy
 */
export function compactTrust(
  before: string,
  options: CompactOptions = {},
  rules: CompactRules = COMPACT_RULES,
): CompactedTrust {
  parsePolicy(before, 'trust')
  const policy = readTrustText(before)
  const read = policy.statements.map((node, at) => readStatement(policy, node, at))
  const boxes = read.flatMap((one) => (typeof one === 'string' ? [] : [one]))
  const groups = groupsOf(boxes, options, rules)
  const left = groups.flatMap((group) => joinGroup(group, policy, rules))
  const within = left.filter((box) => isWithinOther(box, left, { options, rules }))
  const after = write(before, policy, { read, made: left.filter((box) => !within.includes(box)) })
  const kept = read.flatMap((one, at) =>
    typeof one === 'string' ? [{ statement: nameAt(policy, at), why: one }] : [],
  )
  if (after.length >= before.length)
    return { before, after: before, joined: [], kept, disowned: [] }
  return {
    before,
    after,
    joined: joinedOf(policy, groups, { left, within }),
    kept,
    disowned: disownedOf(
      policy,
      boxes,
      left.filter((box) => !within.includes(box)),
    ),
  }
}

const nameAt = (policy: TrustText, at: number): string =>
  statementName(policy.statements[at] ?? { kind: 'null' }, at)

function readStatement(policy: TrustText, node: JsonNode, at: number): TrustBox | string {
  const box = readBox(node, at)
  if (typeof box === 'string') return box
  const version = memberOf(policy.root, 'Version')
  const isShown = membersAdmitted(formatJsonDocument(node), textOf(version))
  return isShown ? box : 'no request could be made up that it admits'
}

const OWN_SID = /^Podrole(?:Irsa|Fleet|PodIdentityUntagged|PodIdentity)(?:[0-9a-f]{8}(?:n\d+)?)?$/
const isOwn = ({ sid }: TrustBox): boolean => OWN_SID.test(sid)

/** Which list of a statement of podrole's own its edits change. */
const isEditedList = (box: TrustBox, name: string): boolean =>
  box.lists.get(PRINCIPAL)?.includes(POD_IDENTITY_SERVICE) === true
    ? name === 'aws:requesttag/kubernetes-service-account' || name === 'aws:sourceaccount'
    : name.endsWith(':sub')

function groupsOf(
  boxes: readonly TrustBox[],
  { editable = false }: CompactOptions,
  rules: CompactRules,
): readonly (readonly TrustBox[])[] {
  const groups = new Map<string, TrustBox[]>()
  for (const box of boxes) {
    const own = isOwn(box)
      ? namesOf(box).map(
          (name) => isEditedList(box, name) || [name, ...(box.lists.get(name) ?? [])],
        )
      : 'not own'
    const frame = rules.frameOf(box) + (editable ? JSON.stringify(own) : '')
    groups.set(frame, [...(groups.get(frame) ?? []), box])
  }
  return [...groups.values()]
}

/** The fewest characters for statements of one frame. */
function joinGroup(
  group: readonly TrustBox[],
  policy: TrustText,
  rules: CompactRules,
): readonly TrustBox[] {
  const [first] = group
  if (first === undefined || group.length === 0) return group
  const names = [...first.lists.keys()]
  const cellsOf = (box: TrustBox): Cells => names.map((name) => box.lists.get(name) ?? [])
  const withCells = (cells: Cells): TrustBox => ({
    ...first,
    sid: '',
    lists: new Map(names.map((name, axis) => [name, cells[axis] ?? []])),
  })
  const given = group.map(cellsOf)
  const made = minimise(given, (cells) => writeBox(withCells(cells)).length + 1, rules)
  if (made === given) return group
  const taken = new Set<string>()
  const boxes = made.map((cells) => {
    const sources = group.filter((box) => meet(cells, cellsOf(box), rules))
    const sid = sidOf(sources, taken)
    if (sid !== '') taken.add(sid)
    return { ...withCells(cells), sid, at: sources.flatMap(({ at }) => at) }
  })
  const length = (of: readonly TrustBox[]): number =>
    of.reduce((sum, box) => sum + originalOrWritten(policy, box, group).length, 0)
  return length(boxes) < length(group) ? boxes : group
}

const meet = (one: Cells, other: Cells, rules: CoverRules): boolean =>
  one.every((values, axis) =>
    values.some((value) =>
      other[axis]?.some((far) => rules.covers(axis, value, far) || rules.covers(axis, far, value)),
    ),
  )

/**
 * A Sid of podrole's own is for statements that hold podrole's own values alone: a plan takes out
 * of them what it does not know.
 */
function sidOf(sources: readonly TrustBox[], taken: ReadonlySet<string>): string {
  const isAllOwn = sources.every(isOwn)
  const free = sources.filter((box) => !taken.has(box.sid) && (isAllOwn || !isOwn(box)))
  return free.find(({ sid }) => sid !== '')?.sid ?? ''
}

/** A statement that nothing was done to keeps the order and spelling of its parts. */
function originalOrWritten(policy: TrustText, box: TrustBox, given: readonly TrustBox[]): string {
  const [at] = box.at
  const node = at === undefined ? undefined : policy.statements[at]
  return given.includes(box) && node !== undefined ? formatJsonDocument(node) : writeBox(box)
}

function isWithinOther(
  box: TrustBox,
  all: readonly TrustBox[],
  by: { readonly options: CompactOptions; readonly rules: CompactRules },
): boolean {
  const { options, rules } = by
  return all.some((wide, place) => {
    if (wide === box || !isWithin(box, wide, rules)) return false
    if (options.editable === true && isOwn(wide) !== isOwn(box)) return false
    // Of two that are within one another the first stays.
    return place < all.indexOf(box) || !isWithin(wide, box, rules)
  })
}

function isWithin(narrow: TrustBox, wide: TrustBox, rules: CompactRules): boolean {
  if (!rules.asksLess(wide, narrow)) return false
  const names = namesOf(wide)
  const cellsOf = (box: TrustBox): Cells => names.map((name) => box.lists.get(name) ?? [])
  return coversCells(cellsOf(wide), cellsOf(narrow), rules)
}

/** Kept statements as they were written, the others where the first of theirs stood. */
function write(
  before: string,
  policy: TrustText,
  {
    made,
    read,
  }: { readonly read: readonly (TrustBox | string)[]; readonly made: readonly TrustBox[] },
): string {
  const given = read.filter((one): one is TrustBox => typeof one !== 'string')
  const texts = statementTexts(before)
  const places = read.flatMap((one, at) =>
    typeof one === 'string' ? [{ at, text: texts[at] ?? '' }] : [],
  )
  for (const box of made) {
    places.push({ at: Math.min(...box.at), text: originalOrWritten(policy, box, given) })
  }
  const statements = places.toSorted((one, other) => one.at - other.at).map(({ text }) => text)
  const members = policy.root.members.map(({ key, value }) => {
    const text = key === 'Statement' ? `[${statements.join(',')}]` : formatJsonDocument(value)
    return `${JSON.stringify(key)}:${text}`
  })
  return `{${members.join(',')}}`
}

function joinedOf(
  policy: TrustText,
  groups: readonly (readonly TrustBox[])[],
  { left, within }: { readonly left: readonly TrustBox[]; readonly within: readonly TrustBox[] },
): readonly JoinedStatements[] {
  return groups.flatMap((group) => {
    const places = new Set(group.flatMap(({ at }) => at))
    const now = left.filter(({ at }) => at.some((place) => places.has(place)))
    const into = now.filter((box) => !within.includes(box)).length
    const isSame = group.every((box) => now.includes(box)) && into === group.length
    return isSame ? [] : [{ from: [...places].map((at) => nameAt(policy, at)), into }]
  })
}

/** Those of podrole's own that are neither left as they were nor part of one that it still knows. */
function disownedOf(
  policy: TrustText,
  given: readonly TrustBox[],
  made: readonly TrustBox[],
): readonly string[] {
  const known = made.filter(
    (box) =>
      given.includes(box) ||
      (isOwn(box) && [...box.lists].every(([name, { length }]) => isSingle(box, name, length))),
  )
  const places = new Set(known.flatMap(({ at }) => at))
  return given
    .filter((box) => isOwn(box) && !box.at.some((at) => places.has(at)))
    .flatMap(({ at }) => at.map((place) => nameAt(policy, place)))
}

const isSingle = (box: TrustBox, name: string, length: number): boolean =>
  length === 1 || name === ACTION || isEditedList(box, name)
