/** What a job's podFailurePolicy and successPolicy say of its pods. */
import { countCommonIndexes, countIndexes, type Indexes, parseIndexes } from '../job-indexes.ts'
import {
  isRecord,
  listAt,
  recordAt,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'

/** What is to be done about a pod that failed. */
export interface FailureJudgement {
  readonly action: 'FailJob' | 'FailIndex' | 'Ignore' | 'Count'
  /** Why the job fails with it. */
  readonly message?: string
}

/** What the first rule that fits says; without one the failure counts. */
export function judgeFailure(job: ApiObject, pod: ApiObject): FailureJudgement {
  const policy = recordAt(recordAt(job, 'spec'), 'podFailurePolicy')
  for (const [index, rule] of listAt(policy, 'rules').entries()) {
    const what = isRecord(rule) ? matchRule(rule, pod) : undefined
    if (what === undefined) continue
    switch (stringAt(rule, 'action')) {
      case 'Ignore':
        return { action: 'Ignore' }
      case 'FailIndex':
        return { action: 'FailIndex' }
      case 'FailJob':
        return { action: 'FailJob', message: `${what} matching FailJob rule at index ${index}` }
      case 'Count':
        return { action: 'Count' }
      default:
        continue
    }
  }
  return { action: 'Count' }
}

/** What of a pod fits a rule, in words; undefined where nothing does. */
function matchRule(rule: JsonRecord, pod: ApiObject): string | undefined {
  const { name, namespace } = pod.metadata
  const where = `${namespace}/${name}`
  const codes = rule['onExitCodes']
  if (isRecord(codes)) {
    const container = failedContainerOf(codes, pod)
    return container && `Container ${container.name} for pod ${where} failed with ${container.code}`
  }
  const patterns = listAt(rule, 'onPodConditions')
  const found = listAt(pod['status'], 'conditions').find((condition) =>
    patterns.some((pattern) =>
      ['type', 'status'].every((field) => stringAt(pattern, field) === stringAt(condition, field)),
    ),
  )
  return found === undefined ? undefined : `Pod ${where} has condition ${stringAt(found, 'type')}`
}

function failedContainerOf(
  codes: JsonRecord,
  pod: ApiObject,
): { readonly name: string; readonly code: string } | undefined {
  const values = listAt(codes, 'values')
  const isWanted = stringAt(codes, 'operator') === 'In'
  for (const field of ['containerStatuses', 'initContainerStatuses']) {
    for (const container of listAt(pod['status'], field)) {
      const name = stringAt(container, 'name')
      const { terminated } = recordAt(container, 'state')
      const code = isRecord(terminated) ? Number(terminated['exitCode'] ?? 0) : 0
      if (![undefined, name].includes(codes['containerName'] as string | undefined)) continue
      if (code !== 0 && values.includes(code) === isWanted) {
        return { name, code: `exit code ${code}` }
      }
    }
  }
  return undefined
}

/** Why a job has succeeded though not all of its numbers have; undefined while it has not. */
export function matchSuccess(spec: JsonRecord, completed: Indexes): string | undefined {
  if (completed.length === 0) return undefined
  const index = listAt(spec['successPolicy'], 'rules').findIndex((rule) => {
    if (!isRecord(rule)) return false
    const { succeededIndexes, succeededCount } = rule
    const enough = typeof succeededCount === 'number' ? succeededCount : Number.POSITIVE_INFINITY
    if (typeof succeededIndexes !== 'string') return countIndexes(completed) >= enough
    const wanted = parseIndexes(succeededIndexes, Number(spec['completions'] ?? 0))
    const count = countCommonIndexes(wanted, completed)
    return wanted.length > 0 && (count === countIndexes(wanted) || count >= enough)
  })
  return index < 0 ? undefined : `Matched rules at index ${index}`
}
