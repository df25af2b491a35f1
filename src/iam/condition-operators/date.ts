import type { ValueMatch } from './operand.ts'

/** W3C's profile of ISO 8601 (https://www.w3.org/TR/NOTE-datetime): year to fraction of a second. */
const DATE =
  /^([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2}))?)?)?$/
/** Four digits are a year; every other run of digits is seconds since 1970. */
const EPOCH = /^-?[0-9]{1,15}(?:\.[0-9]{1,9})?$/

/** Compares two moments by `holds`; what is no date matches nothing. Variables are not replaced. */
export function matchDate(holds: (order: number) => boolean): ValueMatch {
  return (wanted, actual) => {
    const policy = parseMoment(wanted)
    const request = parseMoment(actual)
    return policy !== undefined && request !== undefined && holds(request - policy)
  }
}

/** Seconds since 1970, or undefined. */
function parseMoment(text: string): number | undefined {
  const match = DATE.exec(text)
  if (match === null) return EPOCH.test(text) ? Number(text) : undefined
  const [, year, month = '01', day = '01', hour = '00', minute = '00', second = '00'] = match
  const fraction = match[7] ?? '.0'
  const whole = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  const offset = parseOffset(match[8] ?? 'Z')
  if (Number.isNaN(whole) || offset === undefined) return undefined
  if (new Date(whole).getUTCDate() !== Number(day)) return undefined
  return whole / 1000 - offset + Number(fraction)
}

/** Seconds east of Greenwich. */
function parseOffset(zone: string): number | undefined {
  if (zone === 'Z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(-2))
  if (hours > 23 || minutes > 59) return undefined
  return (zone.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60)
}
