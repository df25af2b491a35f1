import { fieldFault, type Cause } from '../faults.ts'
import { checkSubdomainName } from '../names.ts'
import { isRecord, listAt, setDefault, stringAt, type JsonRecord } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import { bytes, keptInt, keptStr, keyStr, list, mergeList, obj, str, valueObj } from '../schema.ts'
import { validateLabelSelector } from '../selectors.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { LABEL_SELECTOR } from './metadata.ts'

const RULE = obj({
  operations: list(str),
  apiGroups: list(keptStr),
  apiVersions: list(str),
  resources: list(str),
  scope: keptStr,
})

const POLICIES: Readonly<Record<string, readonly string[]>> = {
  failurePolicy: ['Fail', 'Ignore'],
  matchPolicy: ['Equivalent', 'Exact'],
  reinvocationPolicy: ['IfNeeded', 'Never'],
  sideEffects: ['None', 'NoneOnDryRun'],
}

export const MUTATING_WEBHOOK_CONFIGURATIONS: ResourceType = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  singular: 'mutatingwebhookconfiguration',
  shortNames: [],
  namespaced: false,
  verbs: OBJECT_VERBS,
  subresources: [],
  hasGeneration: true,
  needsVersion: true,
  schema: obj({
    webhooks: mergeList(
      'name',
      obj({
        name: keyStr,
        clientConfig: valueObj({
          url: keptStr,
          service: obj({ namespace: str, name: str, path: keptStr, port: keptInt }),
          caBundle: bytes,
        }),
        rules: list(RULE),
        failurePolicy: keptStr,
        matchPolicy: keptStr,
        namespaceSelector: LABEL_SELECTOR,
        objectSelector: LABEL_SELECTOR,
        sideEffects: keptStr,
        timeoutSeconds: keptInt,
        admissionReviewVersions: list(str),
        reinvocationPolicy: keptStr,
        matchConditions: mergeList('name', obj({ name: keyStr, expression: str })),
      }),
    ),
  }),
  nameRule: checkSubdomainName,
  defaults: (object) => {
    for (const webhook of listAt(object, 'webhooks')) {
      if (isRecord(webhook)) fillWebhook(webhook)
    }
  },
  validate: (object) => {
    const names = new Set<string>()
    return listAt(object, 'webhooks').flatMap((webhook, at) =>
      isRecord(webhook) ? validateWebhook(webhook, `webhooks[${at}]`, names) : [],
    )
  },
  columns: [
    NAME_COLUMN,
    column('Webhooks', (object) => listAt(object, 'webhooks').length, { type: 'integer' }),
    AGE_COLUMN,
  ],
}

function fillWebhook(webhook: JsonRecord): void {
  setDefault(webhook, 'failurePolicy', 'Fail')
  setDefault(webhook, 'matchPolicy', 'Equivalent')
  setDefault(webhook, 'namespaceSelector', {})
  setDefault(webhook, 'objectSelector', {})
  setDefault(webhook, 'timeoutSeconds', 10)
  setDefault(webhook, 'reinvocationPolicy', 'Never')
  for (const rule of listAt(webhook, 'rules')) if (isRecord(rule)) setDefault(rule, 'scope', '*')
  const client = webhook['clientConfig']
  const service = isRecord(client) ? client['service'] : undefined
  if (isRecord(service)) setDefault(service, 'port', 443)
}

function validateWebhook(webhook: JsonRecord, path: string, names: Set<string>): Cause[] {
  const faults: Cause[] = []
  const name = stringAt(webhook, 'name')
  if (name === '') faults.push(fieldFault.required(`${path}.name`))
  else if (name.split('.').length < 3 || checkSubdomainName(name).length > 0) {
    faults.push(
      fieldFault.invalid(
        `${path}.name`,
        name,
        'should be a domain with at least three segments separated by dots',
      ),
    )
  }
  if (names.has(name)) faults.push(fieldFault.duplicate(`${path}.name`, name))
  names.add(name)
  for (const [field, allowed] of Object.entries(POLICIES)) {
    const value = stringAt(webhook, field)
    if (value === '') faults.push(fieldFault.required(`${path}.${field}`))
    else if (!allowed.includes(value)) {
      faults.push(fieldFault.notSupported(`${path}.${field}`, value, allowed))
    }
  }
  const versions = listAt(webhook, 'admissionReviewVersions')
  if (versions.length === 0) {
    faults.push(
      fieldFault.required(`${path}.admissionReviewVersions`, 'must specify one of v1, v1beta1'),
    )
  } else if (!versions.includes('v1')) {
    faults.push(
      fieldFault.invalid(
        `${path}.admissionReviewVersions`,
        versions,
        'must include at least one of v1, v1beta1 (this server speaks v1)',
      ),
    )
  }
  const seconds = webhook['timeoutSeconds']
  if (typeof seconds === 'number' && (seconds < 1 || seconds > 30)) {
    const says = 'the timeout value must be between 1 and 30 seconds'
    faults.push(fieldFault.invalid(`${path}.timeoutSeconds`, seconds, says))
  }
  if (listAt(webhook, 'matchConditions').length > 0) {
    faults.push(
      fieldFault.forbidden(`${path}.matchConditions`, 'this server does not evaluate CEL'),
    )
  }
  for (const field of ['namespaceSelector', 'objectSelector']) {
    faults.push(...validateLabelSelector(webhook[field], `${path}.${field}`))
  }
  return [...faults, ...validateRules(webhook, path), ...validateClient(webhook, path)]
}

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']

function validateRules(webhook: JsonRecord, path: string): Cause[] {
  return listAt(webhook, 'rules').flatMap((rule, at) => {
    const here = `${path}.rules[${at}]`
    const faults = ['operations', 'apiGroups', 'apiVersions', 'resources']
      .filter((field) => listAt(rule, field).length === 0)
      .map((field) => fieldFault.required(`${here}.${field}`))
    const unknown = listAt(rule, 'operations').filter(
      (operation) => !OPERATIONS.includes(String(operation)),
    )
    return [
      ...faults,
      ...unknown.map((value) => fieldFault.notSupported(`${here}.operations`, value, OPERATIONS)),
    ]
  })
}

function validateClient(webhook: JsonRecord, path: string): Cause[] {
  const client = webhook['clientConfig']
  const here = `${path}.clientConfig`
  const url = stringAt(client, 'url')
  const service = isRecord(client) ? client['service'] : undefined
  if ((url === '') === (service === undefined)) {
    return [fieldFault.required(here, 'exactly one of url or service is required')]
  }
  if (url !== '') {
    const parsed = URL.parse(url)
    if (parsed === null) return [fieldFault.invalid(`${here}.url`, url, 'url must be a valid URL')]
    if (parsed.protocol !== 'https:') {
      const says = `'https' is the only allowed URL scheme; desired format: https://host[/path]`
      return [fieldFault.invalid(`${here}.url`, parsed.protocol.replace(':', ''), says)]
    }
    const { username, password, search, hash } = parsed
    return username + password + search + hash === ''
      ? []
      : [
          fieldFault.invalid(
            `${here}.url`,
            url,
            'user information, query and fragment are not permitted in the URL',
          ),
        ]
  }
  const faults = ['name', 'namespace']
    .filter((field) => stringAt(service, field) === '')
    .map((field) => fieldFault.required(`${here}.service.${field}`))
  const path1 = stringAt(service, 'path')
  if (path1 !== '' && !path1.startsWith('/')) {
    faults.push(fieldFault.invalid(`${here}.service.path`, path1, "must start with a '/'"))
  }
  return faults
}
