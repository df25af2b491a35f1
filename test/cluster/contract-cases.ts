/** The cases of the contract suite, as YAML in `contract/`: what a Kubernetes API server answers. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

/**
 * One request and what must come of it. `$NS` is the case's namespace, `${x}` a saved value, `$HOOK`
 * the URL of the case's webhooks and `$CA` the caBundle that goes with it.
 */
export interface Step {
  /**
   * `METHOD PATH`. A path without a leading slash is one of the case's namespace or of the cluster:
   * `pods/a/status?x=y`, `deployments.apps/a`. WATCH is a GET that reads `events` events, all until
   * the server ends the watch where `events` is 0. `HOOK NAME` sets what the webhook `$HOOK/NAME`
   * answers (a `WebhookAnswer`), `ASKED NAME` reads the requests of reviews that came to it.
   * `RESTART` starts the API server anew, its history lost.
   */
  readonly do: string
  /** An object is sent as JSON, a text as it stands. */
  readonly body?: unknown
  /** `merge`, `json`, `strategic`, `apply`, `yaml`, or a content type; JSON otherwise. */
  readonly type?: string
  readonly accept?: string
  /** The user agent. */
  readonly agent?: string
  /** A user of `USERS`, `anonymous`, or `Bearer TOKEN`; the administrator otherwise. */
  readonly as?: string
  readonly events?: number
  /** What is done once a watch has begun. */
  readonly meanwhile?: Step
  /** Ask again until it is answered so: what controllers do takes a moment. */
  readonly until?: boolean
  /** `409 AlreadyExists`: the status and, of a failure, the Status' reason. */
  readonly is?: string | number
  /** Fields that the answer holds; a text that starts with `~` is a regular expression. */
  readonly has?: unknown
  /** Paths that the answer does not hold: `spec.nodeName`. */
  readonly lacks?: readonly string[]
  /** A part of the Status' message. */
  readonly says?: string
  /** A part of the Warning headers. */
  readonly warns?: string
  /** Values of the answer to keep: `{rv: metadata.resourceVersion}`. */
  readonly save?: Readonly<Record<string, string>>
}

export interface ContractCase {
  readonly group: string
  readonly name: string
  /** Its number in the suite, from which its namespace is named. */
  readonly namespace: string
  readonly steps: readonly Step[]
  /** Some step is refused. */
  readonly isRefusal: boolean
  /** Its file's `before`. */
  readonly before: readonly Step[]
}

type Cases = Readonly<Record<string, Step | readonly Step[]>>

interface CaseFile {
  readonly group: string
  /** The cases, or the name of another file that has them. */
  readonly cases?: Cases | string
  /** Done once, in the namespace default, before the first case. */
  readonly before?: readonly Step[]
  /** In place of `cases`: the steps of one case, made once for each of `rows`, which name them. */
  readonly row?: Step | readonly Step[]
  readonly rows?: Readonly<Record<string, Fields>>
  /**
   * The file's cases are made once for each of these, a group each. `skip` names cases to leave
   * out.
   */
  readonly each?: Readonly<Record<string, Fields>>
}

/** `@field` in a text is its field; a text that is nothing else becomes the field's value. */
type Fields = Readonly<Record<string, unknown>>

const FOLDER = join(import.meta.dir, 'contract')

/** Every case, in the order of the files' names. */
export function readCases(): ContractCase[] {
  const cases: ContractCase[] = []
  for (const file of readdirSync(FOLDER).toSorted()) {
    if (!file.endsWith('.yaml')) continue
    const read = readFile(file)
    const { before = [] } = read
    for (const { group, name, steps } of casesOf(read)) {
      const isRefusal = steps.some(refuses)
      const namespace = `case-${cases.length + 1}`
      cases.push({ group, name, namespace, steps, isRefusal, before })
    }
  }
  return cases
}

const readFile = (name: string): CaseFile =>
  parse(readFileSync(join(FOLDER, name), 'utf8'), { merge: true }) as CaseFile

/** A watch is refused with an ERROR event in place of a status. */
function refuses({ is, has }: Step): boolean {
  const { events } = (has ?? {}) as { events?: readonly { type?: string }[] }
  const isEndedByFault = events?.some(({ type }) => type === 'ERROR') ?? false
  return isEndedByFault || Number.parseInt(String(is ?? 200), 10) >= 400
}

function casesOf(file: CaseFile): Pick<ContractCase, 'group' | 'name' | 'steps'>[] {
  const { cases = {}, row, rows } = file
  if (row !== undefined && rows !== undefined) {
    const filled = Object.entries(rows).map(([name, fields]) => [name, fillFields(row, fields)])
    return listCases(file.group, Object.fromEntries(filled) as Cases)
  }
  if (typeof cases === 'string') return casesOf({ ...file, cases: readFile(cases).cases ?? {} })
  if (file.each === undefined) return listCases(file.group, cases)
  return Object.entries(file.each).flatMap(([name, fields]) => {
    const skipped = Array.isArray(fields['skip']) ? (fields['skip'] as unknown[]) : []
    const kept = Object.entries(cases).filter(([title]) => !skipped.includes(title))
    const filled = fillFields(Object.fromEntries(kept), { ...fields, resource: name }) as Cases
    return listCases(`${file.group}: ${name}`, filled)
  })
}

function listCases(group: string, cases: Cases): Pick<ContractCase, 'group' | 'name' | 'steps'>[] {
  return Object.entries(cases).map(([name, steps]) => ({
    group,
    name,
    steps: Array.isArray(steps) ? (steps as readonly Step[]) : [steps as Step],
  }))
}

function fillFields(value: unknown, fields: Fields): unknown {
  if (typeof value === 'string') {
    const whole = /^@(\w+)$/.exec(value)?.[1]
    if (whole !== undefined && fields[whole] !== undefined) return fields[whole]
    return value.replaceAll(
      /@(?:(\w+)|\{(\w+)\})/g,
      (text: string, bare: string | undefined, braced: string | undefined) => {
        const field = fields[bare ?? braced ?? '']
        return typeof field === 'string' ? field : text
      },
    )
  }
  if (Array.isArray(value)) return value.map((one) => fillFields(one, fields))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).flatMap(([key, one]) => {
    // `...: @object` puts the object's fields in its place, like YAML's own merge key.
    const filled = fillFields(one, fields)
    return key === '...' ? Object.entries(filled as object) : [[key, filled] as const]
  })
  return Object.fromEntries(entries)
}

/** `GROUP: N cases, M refusals` for each group, and the sum. */
export function countCases(cases: readonly ContractCase[]): string[] {
  const groups = Map.groupBy(cases, ({ group }) => group)
  const line = (name: string, some: readonly ContractCase[]): string =>
    `${name}: ${some.length} cases, ${some.filter(({ isRefusal }) => isRefusal).length} refusals`
  return [...[...groups].map(([name, some]) => line(name, some)), line('in all', cases)]
}
