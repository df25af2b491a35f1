import { type Effect, type FaultRule, type OrderedEffect, parseFaultRules } from './rules.ts'

/** What was ordered for one call: its delays added up, and the first of each other kind. */
export interface OrderedFaults {
  readonly delayMs: number
  readonly refusal?: Extract<Effect, { kind: 'throttle' | 'error' | 'outage' }>
  readonly halfAnswer: boolean
}

/** A rule as it stands. */
export interface FaultStanding {
  readonly fault: string
  /** How often one of its effects came. */
  readonly applied: number
  /** Of each effect with a count, how many calls are left. */
  readonly remaining: readonly number[]
}

/** The faults that are in force. */
export interface FaultBoard {
  /** Puts these in the place of all others. @throws PodroleError `InvalidFault` */
  replace(texts: readonly string[]): void
  list(): readonly FaultStanding[]
  /** What happens to this call; counts are used up by it. */
  take(service: string, operation: string): OrderedFaults
  /** How much later a service's writes are seen; 0 where at once. */
  eventualMs(service: string): number
}

interface LiveEffect extends OrderedEffect {
  remaining: number
}

interface LiveRule {
  readonly rule: FaultRule
  readonly effects: readonly LiveEffect[]
  applied: number
}

/**
 * @param random gives numbers from 0 to below 1, for effects with a probability
 * @throws PodroleError `InvalidFault`
 */
export function createFaultBoard(
  texts: readonly string[] = [],
  random: () => number = Math.random,
): FaultBoard {
  let live = readLive(texts)
  let eventual = eventualOf(live)
  return {
    replace: (more) => {
      live = readLive(more)
      eventual = eventualOf(live)
    },
    list: () =>
      live.map(({ rule, applied, effects }) => ({
        fault: rule.text,
        applied,
        remaining: effects
          .filter(({ occurrence }) => occurrence.kind === 'count')
          .map(({ remaining }) => remaining),
      })),
    take: (service, operation) => {
      const fits = live.filter(({ rule }) => fitsCall(rule, service, operation))
      return takeEffects(fits, random)
    },
    eventualMs: (service) => Math.max(eventual.get(service) ?? 0, eventual.get('*') ?? 0),
  }
}

function eventualOf(live: readonly LiveRule[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (const { rule, effects } of live) {
    for (const { effect } of effects) {
      if (effect.kind !== 'eventual') continue
      found.set(rule.service, Math.max(found.get(rule.service) ?? 0, effect.delayMs))
    }
  }
  return found
}

const readLive = (texts: readonly string[]): readonly LiveRule[] =>
  parseFaultRules(texts).map((rule) => ({
    rule,
    applied: 0,
    effects: rule.effects.map(({ effect, occurrence }) => ({
      effect,
      occurrence,
      remaining: occurrence.kind === 'count' ? occurrence.count : 0,
    })),
  }))

const fitsCall = (rule: FaultRule, service: string, operation: string): boolean =>
  (rule.service === '*' || rule.service === service) &&
  (rule.operation === '*' || rule.operation === operation)

function takeEffects(fits: readonly LiveRule[], random: () => number): OrderedFaults {
  let delayMs = 0
  let refusal: OrderedFaults['refusal']
  let halfAnswer = false
  for (const live of fits) {
    for (const one of live.effects) {
      const { effect } = one
      const { kind } = effect
      if (kind === 'eventual') continue
      // A call is refused once: what would refuse it again is kept for the next.
      const refuses = kind === 'throttle' || kind === 'error' || kind === 'outage'
      if (refuses && refusal !== undefined) continue
      if (!comesNow(one, random)) continue
      live.applied += 1
      if (kind === 'delay') delayMs += effect.delayMs
      else if (kind === 'half-answer') halfAnswer = true
      else refusal = effect
    }
  }
  return { delayMs, halfAnswer, ...(refusal !== undefined && { refusal }) }
}

function comesNow(one: LiveEffect, random: () => number): boolean {
  const { occurrence } = one
  if (occurrence.kind === 'always') return true
  if (occurrence.kind === 'share') return random() < occurrence.share
  if (one.remaining === 0) return false
  one.remaining -= 1
  return true
}
