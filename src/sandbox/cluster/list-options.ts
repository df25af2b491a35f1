import { fieldFault, invalid, type Cause } from './faults.ts'

const LIST_OPTIONS = { group: 'meta.k8s.io', kind: 'ListOptions' }
const MATCH = 'resourceVersionMatch'

/**
 * Which parameters of a list or watch go together, with the faults of apimachinery's
 * `ValidateListOptions`.
 * @throws ApiFault Invalid
 */
export function checkListOptions(query: URLSearchParams, isWatch: boolean): void {
  const asked = {
    match: query.get(MATCH) ?? '',
    version: query.get('resourceVersion') ?? '',
    isContinued: (query.get('continue') ?? '') !== '',
    hasInitial: (query.get('sendInitialEvents') ?? '') !== '',
  }
  const causes = isWatch ? watchFaults(asked) : listFaults(asked)
  if (causes.length > 0) throw invalid(LIST_OPTIONS, '', causes)
}

interface Asked {
  readonly match: string
  readonly version: string
  readonly isContinued: boolean
  readonly hasInitial: boolean
}

function listFaults({ match, version, isContinued, hasInitial }: Asked): Cause[] {
  const faults: Cause[] = []
  if (match !== '') {
    if (version === '') faults.push(forbidden('is forbidden unless resourceVersion is provided'))
    if (isContinued) faults.push(forbidden('is forbidden when continue is provided'))
    if (match !== 'Exact' && match !== 'NotOlderThan') {
      faults.push(fieldFault.notSupported(MATCH, match, ['Exact', 'NotOlderThan', '']))
    }
    if (match === 'Exact' && version === '0') {
      faults.push(forbidden('"exact" is forbidden for resourceVersion "0"'))
    }
  }
  if (hasInitial) {
    faults.push(
      fieldFault.forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'),
    )
  }
  return faults
}

function watchFaults({ match, isContinued, hasInitial }: Asked): Cause[] {
  const faults: Cause[] = []
  if (hasInitial && match !== 'NotOlderThan') {
    faults.push(
      fieldFault.forbidden(
        MATCH,
        'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      ),
    )
  }
  if (match === '') return faults
  if (!hasInitial) {
    faults.push(forbidden('is forbidden for watch unless sendInitialEvents is provided'))
  }
  if (match !== 'NotOlderThan') faults.push(fieldFault.notSupported(MATCH, match, ['NotOlderThan']))
  if (isContinued) faults.push(forbidden('is forbidden when continue is provided'))
  return faults
}

const forbidden = (why: string): Cause => fieldFault.forbidden(MATCH, `${MATCH} ${why}`)
