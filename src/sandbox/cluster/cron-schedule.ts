/** When something that is due now and then is due: cron's five fields, or `@every`. */
export interface Schedule {
  /** Of `@every`: the time between two, which are counted from a time of the caller's. */
  readonly everyMs?: number
  /** The first time after `afterMs`, or undefined where none comes within five years. */
  nextAfter(afterMs: number, timeZone: string): number | undefined
}

interface Field {
  readonly min: number
  readonly max: number
  readonly names?: readonly string[]
}

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')
const DAYS = 'sun mon tue wed thu fri sat'.split(' ')
const FIELDS: readonly Field[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: MONTHS },
  { min: 0, max: 6, names: DAYS },
]
const DESCRIPTORS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}
const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
const SCHEDULE_MAX = 1000
const DAYS_AHEAD = 5 * 366
const DAY_MS = 86_400_000

interface FieldSet {
  readonly values: ReadonlySet<number>
  /** `*` and `?`: of the two kinds of day only the other one counts then. */
  readonly isStar: boolean
}

/**
 * A schedule as CronJobs take it (robfig/cron v3 `ParseStandard`), or what is wrong with it.
 */
export function parseSchedule(text: string): Schedule | string {
  if (text.length > SCHEDULE_MAX) return `the schedule is longer than ${SCHEDULE_MAX} characters`
  if (text.startsWith('@every ')) return parseEvery(text.slice('@every '.length))
  const spec = text.startsWith('@') ? DESCRIPTORS[text] : text
  if (spec === undefined) return `unrecognized descriptor: ${text}`
  const parts = spec.split(/\s+/).filter((part) => part !== '')
  if (parts.length !== FIELDS.length) {
    return `expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`
  }
  const sets: FieldSet[] = []
  for (const [at, field] of FIELDS.entries()) {
    const set = parseField(parts[at] ?? '', field)
    if (typeof set === 'string') return set
    sets.push(set)
  }
  return { nextAfter: (afterMs, timeZone) => nextOf(sets, afterMs, timeZone) }
}

function parseEvery(text: string): Schedule | string {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)]
  const isWhole = parts.map((part) => part[0]).join('') === text && parts.length > 0
  if (!isWhole) return `failed to parse duration @every ${text}: time: invalid duration "${text}"`
  const sum = parts.reduce(
    (total, [, count, unit]) => total + Number(count) * (UNITS[unit ?? ''] ?? 0),
    0,
  )
  const period = Math.max(1000, Math.floor(sum / 1000) * 1000)
  return {
    everyMs: period,
    nextAfter: (afterMs) => Math.floor(afterMs / 1000) * 1000 + period,
  }
}

function parseField(text: string, field: Field): FieldSet | string {
  const values = new Set<number>()
  let isStar = false
  for (const part of text.split(',')) {
    const range = parseRange(part, field)
    if (typeof range === 'string') return range
    isStar ||= range.isStar
    for (let value = range.start; value <= range.end; value += range.step) values.add(value)
  }
  return { values, isStar }
}

interface Range {
  readonly start: number
  readonly end: number
  readonly step: number
  readonly isStar: boolean
}

function parseRange(part: string, field: Field): Range | string {
  const [bounds = '', stepText, ...rest] = part.split('/')
  if (rest.length > 0) return `too many slashes: ${part}`
  const step = stepText === undefined ? 1 : readNumber(stepText)
  if (step === undefined)
    return `failed to parse int from ${stepText}: strconv.Atoi: parsing "${stepText}": invalid syntax`
  if (step === 0) return `step of range should be a positive number: ${part}`
  const isAll = bounds === '*' || bounds === '?'
  const [low = '', high, ...more] = bounds.split('-')
  if (more.length > 0) return `too many hyphens: ${part}`
  const start = isAll ? field.min : readValue(low, field)
  if (start === undefined)
    return `failed to parse int from ${low}: strconv.Atoi: parsing "${low}": invalid syntax`
  const last =
    high === undefined ? (stepText === undefined ? start : field.max) : readValue(high, field)
  const end = isAll ? field.max : last
  if (end === undefined)
    return `failed to parse int from ${high}: strconv.Atoi: parsing "${high}": invalid syntax`
  if (start < field.min)
    return `beginning of range (${start}) below minimum (${field.min}): ${part}`
  if (end > field.max) return `end of range (${end}) above maximum (${field.max}): ${part}`
  if (start > end) return `beginning of range (${start}) beyond end of range (${end}): ${part}`
  return { start, end, step, isStar: isAll && step === 1 }
}

const readNumber = (text: string): number | undefined =>
  /^\d{1,9}$/.test(text) ? Number(text) : undefined

function readValue(text: string, field: Field): number | undefined {
  const named = field.names?.indexOf(text.toLowerCase()) ?? -1
  return named === -1 ? readNumber(text) : named + field.min
}

function nextOf(sets: readonly FieldSet[], afterMs: number, timeZone: string): number | undefined {
  const [minutes, hours, days, months, weekdays] = sets
  if (!minutes || !hours || !days || !months || !weekdays) return undefined
  const offset = offsetsOf(timeZone)
  const local = afterMs + offset(afterMs)
  const firstDay = Math.floor(local / DAY_MS) * DAY_MS
  const hourList = [...hours.values].toSorted((left, right) => left - right)
  const minuteList = [...minutes.values].toSorted((left, right) => left - right)
  for (let day = 0; day < DAYS_AHEAD; day += 1) {
    const start = firstDay + day * DAY_MS
    const date = new Date(start)
    if (!months.values.has(date.getUTCMonth() + 1)) continue
    const isDay = days.values.has(date.getUTCDate())
    const isWeekday = weekdays.values.has(date.getUTCDay())
    const isDue = days.isStar || weekdays.isStar ? isDay && isWeekday : isDay || isWeekday
    if (!isDue) continue
    for (const hour of hourList) {
      for (const minute of minuteList) {
        const at = utcOf(start + hour * 3_600_000 + minute * 60_000, offset)
        if (at !== undefined && at > afterMs) return at
      }
    }
  }
  return undefined
}

/** A time as RFC 3339 in a zone, `2026-01-01T09:30:00+05:30`; one that is UTC's ends with `Z`. */
export function formatInZone(ms: number, timeZone: string): string {
  const minutes = Math.round(offsetsOf(timeZone)(ms) / 60_000)
  const text = new Date(ms + minutes * 60_000).toISOString().slice(0, 19)
  if (minutes === 0) return `${text}Z`
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60]
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${text}${minutes < 0 ? '-' : '+'}${two(hours)}:${two(rest)}`
}

type Offset = (utcMs: number) => number

/** The UTC time of a local one; undefined where the clocks leap over it. */
function utcOf(local: number, offset: Offset): number | undefined {
  let utc = local - offset(local)
  utc = local - offset(utc)
  return utc + offset(utc) === local ? utc : undefined
}

/** How far a zone is ahead of UTC at a time, in milliseconds. */
function offsetsOf(timeZone: string): Offset {
  if (timeZone === 'UTC' || timeZone === 'Etc/UTC') return () => 0
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return (utcMs) => {
    const parts = new Map(
      format.formatToParts(utcMs).map(({ type, value }) => [type as string, Number(value)]),
    )
    const read = (name: string): number => parts.get(name) ?? 0
    const local = Date.UTC(
      read('year'),
      read('month') - 1,
      read('day'),
      read('hour'),
      read('minute'),
      read('second'),
    )
    return local - Math.floor(utcMs / 1000) * 1000
  }
}
