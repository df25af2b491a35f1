/** Times as Go's RFC 3339 layouts read them, and as Kubernetes writes them again. */

const DAY_AND_CLOCK = [
  [/^\d{4}/, '2006'],
  [/^-/, '-'],
  [/^\d\d/, '01'],
  [/^-/, '-'],
  [/^\d\d/, '02'],
  [/^T/, 'T'],
  [/^\d\d/, '15'],
  [/^:/, ':'],
  [/^\d\d/, '04'],
  [/^:/, ':'],
] as const
const ZONE = [/^(?:Z|[+-]\d\d:\d\d)/, 'Z07:00'] as const
const LAYOUTS = {
  // A fraction of a second may follow the seconds, though the layout does not say so.
  seconds: [...DAY_AND_CLOCK, [/^\d\d(?:\.\d+)?/, '05'], ZONE],
  micros: [...DAY_AND_CLOCK, [/^\d\d/, '05'], [/^\.\d{6}/, '.000000'], ZONE],
} as const

/** What the text is as a Kubernetes `Time` or `MicroTime`, in UTC; or Go's words for its fault. */
export function readGoTime(
  text: string,
  precision: keyof typeof LAYOUTS,
): { readonly text: string } | { readonly fault: string } {
  const layout = LAYOUTS[precision]
  const shown = JSON.stringify(text)
  let rest = text
  for (const [form, element] of layout) {
    const [found] = form.exec(rest) ?? []
    if (found === undefined) {
      const whole = layout.map(([, part]) => part).join('')
      const why = `cannot parse ${JSON.stringify(rest)} as "${element}"`
      return { fault: `parsing time ${shown} as "${whole}": ${why}` }
    }
    rest = rest.slice(found.length)
  }
  if (rest !== '') return { fault: `parsing time ${shown}: extra text: ${JSON.stringify(rest)}` }
  const outside = outOfRange(text)
  if (outside !== undefined) return { fault: `parsing time ${shown}: ${outside} out of range` }
  const at = new Date(Date.parse(`${text.slice(0, 19)}Z`) - offsetOf(text)).toISOString()
  // A year of more than four digits, or one before the first.
  if (!/^\d{4}-/.test(at)) return { fault: `parsing time ${shown}: year out of range` }
  const micros = precision === 'micros' ? (/\.\d{6}/.exec(text)?.[0] ?? '') : ''
  return { text: `${at.slice(0, 19)}${micros}Z` }
}

const ZONE_TEXT = /([+-])(\d\d):(\d\d)$/

/** The milliseconds by which a time's zone is ahead of UTC. */
function offsetOf(text: string): number {
  const [, sign, hours = 0, minutes = 0] = ZONE_TEXT.exec(text) ?? []
  return (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -60_000 : 60_000)
}

/** The part of a well-formed time that no calendar or clock has. */
function outOfRange(text: string): string | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = (
    text.slice(0, 19).match(/\d+/g) ?? []
  ).map(Number)
  if (month < 1 || month > 12) return 'month'
  if (hour > 23) return 'hour'
  if (minute > 59) return 'minute'
  if (second > 59) return 'second'
  const [, , zoneHour = 0, zoneMinute = 0] = ZONE_TEXT.exec(text) ?? []
  if (Number(zoneHour) > 24) return 'time zone offset hour'
  if (Number(zoneMinute) > 60) return 'time zone offset minute'
  const days = new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate()
  return day < 1 || day > days ? 'day' : undefined
}
