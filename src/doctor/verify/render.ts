/** A verification as a person reads it. */
import { type CheckOutcome, PROVIDER_NAMES, type Verification } from './verdict.ts'

export function renderVerification(found: Verification): string {
  const { checks, expectedRole, findings, identity, pod, provider } = found
  const rows: (readonly [string, string])[] = [['service account', found.serviceAccount]]
  if (pod !== undefined) {
    const at = pod.node === undefined ? '' : ` on ${pod.node}`
    rows.push(['pod', `${pod.name}${at}, removed`], ['image', pod.image])
  }
  if (provider !== undefined) rows.push(['provider', PROVIDER_NAMES[provider]])
  if (identity !== undefined) rows.push(['identity', identity])
  if (expectedRole !== undefined) {
    rows.push(['expected role', `${expectedRole.arn} (${expectedRole.source})`])
  }
  const width = Math.max(...rows.map(([name]) => name.length))
  const lines = [
    ...rows.map(([name, value]) => `${name.padEnd(width)}   ${value}`),
    ...(checks.length === 0 ? [] : ['', ...checks.map(checkLine)]),
    '',
    ...(findings.length === 0
      ? [`ok: a pod of ${found.serviceAccount} gets ${expectedRole?.arn ?? identity ?? ''}`]
      : findings.flatMap(({ code, hint, sentence, severity }) => [
          `${severity} ${code}: ${sentence}`,
          ...(hint === undefined ? [] : [`  ${hint}`]),
        ])),
  ]
  return `${lines.join('\n')}\n`
}

const checkLine = ({ did, expected, name, outcome }: CheckOutcome): string =>
  outcome === 'as-expected'
    ? `ok      ${name}: ${expected}`
    : `failed  ${name}: wanted ${expected}, ${did}`
