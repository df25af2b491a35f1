/** A plan as text. */
import { describeAction } from './describe.ts'
import { isNothingToDo, type Plan, type PlanStep, type Refusal, type Remark } from './plan.ts'

/** What a plan with nothing in it says. */
export const NOTHING_TO_DO = 'Nothing to do: everything is as the files say.'
export const NOTHING_TO_DELETE = 'Nothing to do: nothing is left of what the files made.'

/**
 * For a person: what each place gets, what is worth knowing, what is refused, the sum.
 * @param nothing is said where there is nothing to do
 */
export function renderPlan(plan: Plan, nothing: string = NOTHING_TO_DO): string {
  const { refusals, remarks, steps } = plan
  const left = remarks.filter(({ code }) => code === 'left-alone')
  const others = remarks.filter(({ code }) => code !== 'left-alone')
  const parts = [
    ...placesOf(steps).map(([place, those]) => `${place}:\n${those.map(renderStep).join('')}`),
    ...(left.length === 0 ? [] : [`Left alone:\n${left.map(renderRemark).join('')}`]),
    ...(others.length === 0 ? [] : [`Worth knowing:\n${others.map(renderRemark).join('')}`]),
    ...(refusals.length === 0 ? [] : [`Refused:\n${refusals.map(renderRefusal).join('')}`]),
    `${sumOf(plan, nothing)}\n`,
  ]
  return parts.join('\n')
}

function placesOf(steps: readonly PlanStep[]): readonly (readonly [string, readonly PlanStep[]])[] {
  const places = new Map<string, PlanStep[]>()
  for (const step of steps) {
    const { action } = step
    const place = 'cluster' in action ? `Cluster ${action.cluster}` : 'IAM'
    const those = places.get(place)
    if (those === undefined) places.set(place, [step])
    else those.push(step)
  }
  return [...places]
}

function renderStep({ action, risk }: PlanStep): string {
  const { lines, sign, title } = describeAction(action)
  const told = risk.text === undefined ? [] : [`! ${risk.text}`]
  return [`  ${sign} ${title}`, ...[...lines, ...told].map((line) => `      ${line}`)]
    .map((line) => `${line}\n`)
    .join('')
}

const renderRemark = ({ text }: Remark): string => `  ${text}\n`

const renderRefusal = (refusal: Refusal): string =>
  `  ${pathsOf(refusal)}${refusal.text}\n      ${refusal.hint}\n`

const MOST_PATHS = 3

/** `cluster.yaml: addons[0], addons[1]: `; the name of the file once, and how many more there are. */
function pathsOf({ others = [], path }: Refusal): string {
  if (path === undefined) return ''
  const file = path.slice(0, path.lastIndexOf(': ') + 2)
  const shown = others
    .slice(0, MOST_PATHS - 1)
    .map((other) => (other.startsWith(file) ? other.slice(file.length) : other))
  const left = others.length - shown.length
  return `${[path, ...shown].join(', ')}${left > 0 ? ` and ${left} more` : ''}: `
}

/** One line, the last of a rendered plan. */
function sumOf(plan: Plan, nothing: string): string {
  if (isNothingToDo(plan)) return nothing
  const { refusals, steps } = plan
  const refused = `${refusals.length} refused: nothing is applied until that is settled.`
  if (steps.length === 0) return refused
  const count = { '+': 0, '~': 0, '-': 0 }
  for (const { action } of steps) count[describeAction(action).sign] += 1
  const sum = `${steps.length} ${steps.length === 1 ? 'step' : 'steps'}: ${count['+']} to add, ${count['~']} to change, ${count['-']} to remove.`
  return refusals.length === 0 ? sum : `${sum} ${refused}`
}
