/** An explanation for a person: link by link (those that the way goes over), then one sentence and one fix. */
import { describeStatement } from '../../iam/explain.ts'
import type { Explanation } from './explain.ts'
import type { Fix } from './fix.ts'
import type { LinkVerdict } from './verdict.ts'

const MARKS = { ok: '✓', broken: '✗', unknown: '?', 'not-applicable': '-' } as const
const WIDTH = 12

export function renderExplanation(explanation: Explanation): string {
  const { cause, links, sentence } = explanation
  const fix =
    cause === undefined ? [] : ['', `Fix: ${cause.fix.text}.`, ...fixLines(cause.fix).map(indent)]
  const shown = links.filter(({ status }) => status !== 'not-applicable')
  return `${[...shown.flatMap((link) => linkLines(link)), '', sentence, ...fix].join('\n')}\n`
}

/** What `--fix` prints: what can be run or applied as it stands, the rest as comments. */
export function renderFix({ cause, sentence }: Explanation): string {
  if (cause === undefined) return `# ${sentence}\n`
  const { fix } = cause
  return [`# ${cause.text}`, `# ${fix.text}`, ...fixLines(fix)].map((line) => `${line}\n`).join('')
}

function fixLines(fix: Fix): readonly string[] {
  switch (fix.kind) {
    case 'desired':
      return fix.yaml.trimEnd().split('\n')
    case 'commands':
      return fix.commands
    case 'outside':
      return []
    default:
      return fix satisfies never
  }
}

const indent = (line: string): string => `  ${line}`

function linkLines(link: LinkVerdict): readonly string[] {
  const { evidence, statements = [], status, text } = link
  const head = `${MARKS[status]} ${link.link.padEnd(WIDTH)} ${text}`
  const more = [
    ...evidence,
    ...statements.map((statement) => describeStatement(statement)),
    ...(status === 'ok' ? link.warnings.map((warning) => `! ${warning}`) : []),
    ...(status === 'broken'
      ? [`found:  ${link.found}`, `wanted: ${link.wanted}`, `(${link.reason})`]
      : []),
  ]
  return [head, ...more.map((line) => `${' '.repeat(WIDTH + 3)}${line}`)]
}
