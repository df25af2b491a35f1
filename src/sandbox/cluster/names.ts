import { fieldFault, type Cause } from './faults.ts'

const LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const DNS_1035 = /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/
const QUALIFIED = /^(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/
const LABEL_VALUE = /^(?:(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/
const CONFIG_KEY = /^[-._a-zA-Z0-9]+$/
const ANNOTATION_BYTES_MAX = 256 * 1024

const LABEL_SAYS =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const SUBDOMAIN_SAYS =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const DNS_1035_SAYS =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
const QUALIFIED_SAYS =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
const LABEL_VALUE_SAYS =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

const CONFIG_KEY_SAYS =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"

/** What is wrong with a name, in apimachinery's words; empty when nothing is. */
export type NameRule = (name: string) => string[]

/** RFC 1123 label: namespaces, services, containers, volumes. */
export const checkLabelName: NameRule = (name) =>
  checkName(name, 63, LABEL, SUBDOMAIN.test(name) ? 'must not contain dots' : LABEL_SAYS)

/** RFC 1123 subdomain: most objects' names. */
export const checkSubdomainName: NameRule = (name) =>
  checkName(name, 253, SUBDOMAIN, SUBDOMAIN_SAYS)

/** RFC 1035 label: what a definition names. */
export const checkDns1035Name: NameRule = (name) => checkName(name, 63, DNS_1035, DNS_1035_SAYS)

/** Names that need only be one segment of a path (RBAC's). */
export const checkPathSegmentName: NameRule = (name) =>
  name === '.' || name === '..'
    ? [`may not be '${name}'`]
    : ['/', '%'].filter((sign) => name.includes(sign)).map((sign) => `may not contain '${sign}'`)

const checkName = (name: string, max: number, form: RegExp, says: string): string[] => [
  ...checkLength(name, max),
  ...checkForm(name, form, says),
]

const checkLength = (name: string, max: number, unit = 'characters'): string[] =>
  name.length > max ? [`must be no more than ${max} ${unit}`] : []

const checkForm = (name: string, form: RegExp, says: string): string[] =>
  form.test(name) ? [] : [says]

/** A label's or annotation's key: an optional DNS prefix, a slash, and a name; lengths in bytes. */
export function checkQualifiedName(key: string): string[] {
  const parts = key.split('/')
  if (parts.length > 2) {
    return [
      `a valid label key ${QUALIFIED_SAYS.replace('name part ', '')} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ]
  }
  const faults: string[] = []
  const [prefix, name = ''] = parts.length === 2 ? parts : [undefined, key]
  if (prefix === '') faults.push('prefix part must be non-empty')
  else if (prefix !== undefined) {
    const says = [
      ...checkLength(prefix, 253, 'bytes'),
      ...checkForm(prefix, SUBDOMAIN, SUBDOMAIN_SAYS),
    ]
    faults.push(...says.map((fault) => `prefix part ${fault}`))
  }
  if (name === '') faults.push('name part must be non-empty')
  else if (name.length > 63) faults.push('name part must be no more than 63 bytes')
  if (!QUALIFIED.test(name)) faults.push(QUALIFIED_SAYS)
  return faults
}

/** A label's value. */
export function checkLabelValue(value: string): string[] {
  return [...checkLength(value, 63, 'bytes'), ...checkForm(value, LABEL_VALUE, LABEL_VALUE_SAYS)]
}

/** Faults of a map of labels at a field. */
export function validateLabels(labels: Readonly<Record<string, string>>, field: string): Cause[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...checkQualifiedName(key).map((fault) => fieldFault.invalid(field, key, fault)),
    ...checkLabelValue(value).map((fault) => fieldFault.invalid(field, value, fault)),
  ])
}

/** Faults of a map of annotations at a field. */
export function validateAnnotations(
  annotations: Readonly<Record<string, string>>,
  field: string,
): Cause[] {
  const faults = Object.keys(annotations).flatMap((key) =>
    checkQualifiedName(key.toLowerCase()).map((fault) => fieldFault.invalid(field, key, fault)),
  )
  const size = Object.entries(annotations).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  )
  return size > ANNOTATION_BYTES_MAX
    ? [...faults, fieldFault.tooLong(field, ANNOTATION_BYTES_MAX)]
    : faults
}

const PATH = /^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/
const PATH_SAYS = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"

/** Faults of a path that begins with a domain, as `acme.io/foo`, at a field. */
export function validateDomainPath(text: string, field: string): Cause[] {
  if (text === '') return [fieldFault.required(field)]
  const slash = text.indexOf('/')
  const [host, path] = [text.slice(0, slash), text.slice(slash + 1)]
  if (slash < 1 || path === '') {
    const says = 'must be a domain-prefixed path (such as "acme.io/foo")'
    return [fieldFault.invalid(field, text, says)]
  }
  const faults = checkSubdomainName(host).map((fault) => fieldFault.invalid(field, host, fault))
  return PATH.test(path) ? faults : [...faults, fieldFault.invalid(field, path, PATH_SAYS)]
}

/** An environment variable's name: since Kubernetes 1.34 any printable ASCII but `=`. */
export function checkEnvName(name: string): string[] {
  return /^[\x20-\x3c\x3e-\x7e]+$/.test(name)
    ? []
    : [
        "a valid environment variable name must consist only of printable ASCII characters other than '='",
      ]
}

/** A key of a config map or secret. */
export function checkConfigKey(key: string): string[] {
  const faults = checkName(key, 253, CONFIG_KEY, CONFIG_KEY_SAYS)
  if (key === '.' || key === '..') return [...faults, `must not be '${key}'`]
  return key.startsWith('..') ? [...faults, "must not start with '..'"] : faults
}

const SUFFIX_SIGNS = 'bcdfghjklmnpqrstvwxz2456789'

/** Kubernetes' random letters: no vowels, so no words. */
export function randomSuffix(length = 5): string {
  const random = crypto.getRandomValues(new Uint8Array(length))
  return [...random].map((byte) => SUFFIX_SIGNS[byte % SUFFIX_SIGNS.length]).join('')
}

/** The name that a generateName stands for. */
export function generatedName(base: string): string {
  return base.slice(0, 58) + randomSuffix()
}
