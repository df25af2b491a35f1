import { isIPv4, isIPv6 } from 'node:net'

/** An address and the length of a prefix in bits: 10.0.0.0/8, fd00::/8. */
export function isCidr(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/')
  const most = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1
  return rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= most
}

const matching =
  (pattern: RegExp): ((text: string) => boolean) =>
  (text) =>
    pattern.test(text)

const isDate = (text: string): boolean => {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false
  const date = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
}

/** Go's durations, or a whole number and a unit, short or in words, anywhere in the text. */
const GO_DURATION = /^[-+]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/
const WORDED_DURATION =
  /\d\s*(?:ns|us|µs|ms|s|m|hr?|d|wk?|(?:nano|micro|milli|sec|min|hour|day|week)[a-zµ]*)(?![a-zµ])/i

const HOST_LABEL = /^[\p{L}\p{S}\d](?:[-\p{L}\p{S}\d]{0,61}[\p{L}\p{S}\d])?$/u

const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': (text) =>
    /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/.test(text) &&
    isDate(text.slice(0, 10)) &&
    !Number.isNaN(Date.parse(text)),
  date: isDate,
  duration: (text) => GO_DURATION.test(text) || WORDED_DURATION.test(text),
  byte: (text) => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text),
  uuid: matching(/^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i),
  uuid3: matching(/^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i),
  uuid4: matching(/^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i),
  uuid5: matching(/^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i),
  email: matching(/^(?:[^<>@]* <)?[^\s@<>(),;:]+@[^\s@<>(),;:]+>?$/),
  uri: (text) => !/[\s\p{Cc}]/u.test(text) && (text.startsWith('/') || URL.canParse(text)),
  hostname: (text) =>
    text.length <= 255 && text.split('.').every((label) => HOST_LABEL.test(label)),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  mac: matching(
    /^[0-9a-f]{2}(?:([-:])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}(?:(?:\1[0-9a-f]{2}){2})?|[0-9a-f]{2}(?:\.[0-9a-f]{4}){2,3})$/i,
  ),
  hexcolor: matching(/^#?(?:[0-9a-f]{3}|[0-9a-f]{6})$/i),
  'k8s-short-name': matching(/^(?=.{1,63}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/),
  'k8s-long-name': matching(
    /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/,
  ),
}

/**
 * Whether a text has a format that apiextensions knows; formats that are not known here (the ISBNs,
 * credit cards and the like among them) hold for every text.
 */
export function checkFormat(format: string, text: string): boolean {
  const known = format === 'datetime' ? 'date-time' : format
  return !Object.hasOwn(FORMATS, known) || FORMATS[known]?.(text) === true
}
