/** Query parameters of a write: dryRun, fieldManager, fieldValidation and force. */
import type { Operation } from './core.ts'
import type { FieldValidation } from './decoding.ts'
import { type Cause, fieldFault, invalid } from './faults.ts'
import { mediaTypeOf } from './bodies.ts'
import type { JsonRecord } from './objects.ts'
import { APPLY_PATCH } from './patching.ts'
import type { UserInfo } from './users.ts'

const FIELD_VALIDATIONS = ['Ignore', 'Warn', 'Strict']
/** Bytes of a manager's name. */
const MANAGER_MAX = 128
const WARNINGS_MAX = 50
const KINDS: Readonly<Record<string, string>> = {
  update: 'UpdateOptions',
  patch: 'PatchOptions',
  delete: 'DeleteOptions',
  deletecollection: 'DeleteOptions',
}

interface OptionsCall {
  readonly url: URL
  readonly user: UserInfo
  readonly warnings: Set<string>
}

/**
 * How a request works on objects, by its parameters. A manager that is not named is the first part
 * of the user agent.
 * @throws ApiFault Invalid
 */
export function operationOf(
  request: Request,
  verb: string,
  { url, user, warnings }: OptionsCall,
): Operation {
  const query = url.searchParams
  const dryRun = query.getAll('dryRun').filter((value) => value !== '')
  const fieldValidation = query.get('fieldValidation') || 'Warn'
  const fieldManager = query.get('fieldManager') ?? ''
  const causes = [
    ...(verb === 'patch' ? patchFaults(request, query, fieldManager) : []),
    ...managerFaults(fieldManager),
    ...(dryRun.some((value) => value !== 'All')
      ? [fieldFault.notSupported('dryRun', dryRun, ['All'])]
      : []),
    ...(FIELD_VALIDATIONS.includes(fieldValidation)
      ? []
      : [fieldFault.notSupported('fieldValidation', fieldValidation, FIELD_VALIDATIONS)]),
  ]
  if (causes.length > 0) {
    throw invalid({ group: 'meta.k8s.io', kind: KINDS[verb] ?? 'CreateOptions' }, '', causes)
  }
  return {
    user,
    dryRun: dryRun.length > 0,
    fieldValidation: fieldValidation as FieldValidation,
    options: optionsOf(query, dryRun),
    fieldManager: fieldManager || managerOfAgent(request.headers.get('user-agent') ?? ''),
    warn: (text) => {
      if (warnings.size < WARNINGS_MAX) warnings.add(text)
    },
  }
}

/** The options that the request names, as admission is told them. */
function optionsOf(query: URLSearchParams, dryRun: readonly string[]): JsonRecord {
  const options: JsonRecord = {}
  if (dryRun.length > 0) options['dryRun'] = dryRun
  for (const name of ['fieldManager', 'fieldValidation']) {
    const value = query.get(name) ?? ''
    if (value !== '') options[name] = value
  }
  return options
}

/** Whether an application takes the fields that others own: whatever is not `false` or `0`. */
export function isForced(query: URLSearchParams): boolean {
  const force = query.get('force')
  return force !== null && force !== '0' && force.toLowerCase() !== 'false'
}

function patchFaults(request: Request, query: URLSearchParams, fieldManager: string): Cause[] {
  if (mediaTypeOf(request) !== APPLY_PATCH) {
    const says = 'may not be specified for non-apply patch'
    return query.has('force') ? [fieldFault.forbidden('force', says)] : []
  }
  return fieldManager === ''
    ? [fieldFault.required('fieldManager', 'is required for apply patch')]
    : []
}

/** What Go calls printable: letters, marks, numbers, punctuation, symbols and the space. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u

function managerFaults(manager: string): Cause[] {
  const faults =
    Buffer.byteLength(manager) > MANAGER_MAX
      ? [fieldFault.tooLong('fieldManager', MANAGER_MAX)]
      : []
  let at = 0
  for (const sign of manager) {
    if (!PRINTABLE.test(sign)) {
      const code = (sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
      const says = `invalid character U+${code} (at position ${at})`
      faults.push(fieldFault.invalid('fieldManager', manager, says))
    }
    at += Buffer.byteLength(sign)
  }
  return faults.slice(0, WARNINGS_MAX)
}

function managerOfAgent(agent: string): string {
  const [plain] = /^[ -.0-~]{0,128}(?=\/|$)/.exec(agent) ?? []
  if (plain !== undefined) return plain
  let manager = ''
  for (const sign of agent.split('/')[0] ?? '') {
    if (!PRINTABLE.test(sign)) continue
    if (Buffer.byteLength(manager + sign) > MANAGER_MAX) break
    manager += sign
  }
  return manager
}
