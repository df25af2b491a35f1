import { parseDurationMs } from '../../../lib/durations.ts'
import { PodroleError } from '../../../lib/errors.ts'

/** How often an effect comes: the next so many calls, or each with that probability. */
export type Occurrence =
  | { readonly kind: 'always' }
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'share'; readonly share: number }

/** What happens to a call that a rule fits. */
export type Effect =
  | { readonly kind: 'delay'; readonly delayMs: number }
  | { readonly kind: 'throttle' }
  | { readonly kind: 'error'; readonly code: string; readonly status: number }
  /** The service answers nothing but that it is unavailable. */
  | { readonly kind: 'outage' }
  /** The operation is carried out, and its answer breaks off in the middle. */
  | { readonly kind: 'half-answer' }
  /** Writes are seen so much later. */
  | { readonly kind: 'eventual'; readonly delayMs: number }

export interface OrderedEffect {
  readonly effect: Effect
  readonly occurrence: Occurrence
}

/** `iam:*=throttle:3,delay:50ms`, read. */
export interface FaultRule {
  readonly text: string
  /** `sts`, `iam`, …, or `*`. */
  readonly service: string
  /** `AssumeRole`, or `*`. */
  readonly operation: string
  readonly effects: readonly OrderedEffect[]
}

/** Services that faults can be ordered of, by the names in a signature's scope. */
export const FAULT_SERVICES: readonly string[] =
  'sts iam eks eks-auth s3 ec2 kms servicequotas cloudtrail'.split(' ')

/** Services whose reads may lag behind their writes. */
export const EVENTUAL_SERVICES: readonly string[] = ['iam', 'eks']

const MAX_RULES = 100
const MAX_TEXT = 1000
/** Below the time after which a silent connection is closed. */
const MAX_DELAY_MS = 60_000
const MAX_EVENTUAL_MS = 3_600_000
const WANTED =
  'wanted SERVICE:OPERATION=EFFECT[,EFFECT…] with the effects delay:500ms, throttle[:RATE|:COUNT], error:CODE[:STATUS], outage, half-answer, eventual:200ms'

const ALWAYS: Occurrence = { kind: 'always' }

/**
 * Reads a fault as it is ordered: `SERVICE:OPERATION=EFFECT[,EFFECT…]`, where service and operation
 * may be `*`. Each effect but `eventual` may end in `@COUNT` (the next so many calls) or in
 * `@RATE` (a probability: `0.2` or `20%`); `throttle:3` is short for `throttle@3`.
 * @throws PodroleError `InvalidFault`
 */
export function parseFaultRule(text: string): FaultRule {
  if (text.length > MAX_TEXT) throw invalid(text.slice(0, 80), 'it is too long')
  const found = /^([a-z0-9-]+|\*):([A-Za-z0-9]+|\*)=(.+)$/.exec(text)
  const [, service = '', operation = '', effects = ''] = found ?? []
  if (found === null) throw invalid(text, WANTED)
  if (service !== '*' && !FAULT_SERVICES.includes(service)) {
    throw invalid(text, `wanted one of the services ${FAULT_SERVICES.join(', ')} or *`)
  }
  const rule = {
    text,
    service,
    operation,
    effects: effects.split(',').map((e) => readEffect(text, e)),
  }
  const eventual = rule.effects.some(({ effect }) => effect.kind === 'eventual')
  if (
    eventual &&
    (operation !== '*' || (service !== '*' && !EVENTUAL_SERVICES.includes(service)))
  ) {
    throw invalid(text, 'eventual is a property of a service: wanted iam:*, eks:* or *:*')
  }
  return rule
}

/** Several rules, as they stand in a list. @throws PodroleError `InvalidFault` */
export function parseFaultRules(texts: readonly string[]): readonly FaultRule[] {
  if (texts.length > MAX_RULES) {
    throw new PodroleError('InvalidFault', `${texts.length} faults: wanted at most ${MAX_RULES}`)
  }
  return texts.map((text) => parseFaultRule(text))
}

function readEffect(rule: string, text: string): OrderedEffect {
  const at = text.lastIndexOf('@')
  const [kind = '', ...rest] = (at === -1 ? text : text.slice(0, at)).trim().split(':')
  const occurrence = at === -1 ? ALWAYS : readOccurrence(rule, text.slice(at + 1))
  const many = { delay: 1, throttle: 1, error: 2, outage: 0, 'half-answer': 0, eventual: 1 }
  if (!Object.hasOwn(many, kind)) throw invalid(rule, WANTED)
  if (rest.length > many[kind as keyof typeof many]) {
    throw invalid(rule, `${JSON.stringify(text)} says too much; ${WANTED}`)
  }
  const [first, second] = rest
  switch (kind as keyof typeof many) {
    case 'delay':
      return {
        effect: { kind: 'delay', delayMs: readDelay(rule, first, MAX_DELAY_MS) },
        occurrence,
      }
    case 'eventual': {
      if (at !== -1) throw invalid(rule, 'eventual has no count and no probability')
      const delayMs = readDelay(rule, first, MAX_EVENTUAL_MS)
      return { effect: { kind: 'eventual', delayMs }, occurrence }
    }
    case 'throttle': {
      if (first !== undefined && at !== -1) throw invalid(rule, 'throttle has two counts')
      const short = first === undefined ? occurrence : readOccurrence(rule, first)
      return { effect: { kind: 'throttle' }, occurrence: short }
    }
    case 'error':
      return { effect: readError(rule, first, second), occurrence }
    case 'outage':
      return { effect: { kind: 'outage' }, occurrence }
    case 'half-answer':
      return { effect: { kind: 'half-answer' }, occurrence }
    default:
      throw invalid(rule, WANTED)
  }
}

function readError(rule: string, code = '', status = '400'): Effect {
  if (!/^[A-Za-z][A-Za-z0-9.]{0,99}$/.test(code)) {
    throw invalid(rule, `error ${JSON.stringify(code)} is no code: wanted error:CODE[:STATUS]`)
  }
  if (!/^[45]\d\d$/.test(status)) {
    throw invalid(rule, `status ${JSON.stringify(status)} is none of an error: wanted 400 to 599`)
  }
  return { kind: 'error', code, status: Number(status) }
}

function readOccurrence(rule: string, text: string): Occurrence {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (count > 0) return { kind: 'count', count }
  const percent = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(text)?.[1]
  const share = percent === undefined ? decimal(text) : Number(percent) / 100
  if (share !== undefined && share > 0 && share <= 1) return { kind: 'share', share }
  throw invalid(
    rule,
    `${JSON.stringify(text)} is no count and no probability: wanted a number from 1, 0.2 or 20%`,
  )
}

const decimal = (text: string): number | undefined =>
  /^\d?\.\d{1,9}$/.test(text) ? Number(text) : undefined

function readDelay(rule: string, text: string | undefined, mostMs: number): number {
  if (text === undefined)
    throw invalid(rule, 'a duration is missing: wanted for example delay:500ms')
  const delayMs = parseDurationMs(text)
  if (delayMs <= mostMs) return delayMs
  throw invalid(rule, `the duration ${JSON.stringify(text)} is over ${mostMs / 1000}s`)
}

const invalid = (text: string, why: string): PodroleError =>
  new PodroleError('InvalidFault', `fault ${JSON.stringify(text)} is not one: ${why}`)
