import { PodroleError } from '../../lib/errors.ts'
import { ALLOWED_KEY, BUCKET, CONTENT, ROLE_NAME } from './stage.ts'
import { envOf, type PodOutcome } from './pods.ts'

/** Throws with the sentence where a step's condition does not hold. */
export function mustHold(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new PodroleError('StepFailed', sentence)
}

/** Throws unless the webhook gave the pod this variable. */
export function mustBeMutated(outcome: PodOutcome, variable: string): void {
  mustHold(
    envOf(outcome.admitted, variable) !== undefined,
    `the pod was admitted without ${variable}: the webhook did not mutate it, and the SDK said: ${outcome.error ?? ''} ${outcome.message ?? ''}`,
  )
}

/** What a pod read and as whom, where it got the role and read the object; throws otherwise. */
export function mustHaveRead(outcome: PodOutcome): { arn: string; sentence: string } {
  const said = `${outcome.error ?? 'no error'}: ${outcome.message ?? ''}`
  mustHold(
    outcome.arn?.includes(`:assumed-role/${ROLE_NAME}/`) === true,
    `the pod did not get role ${ROLE_NAME}: ${said}`,
  )
  mustHold(
    outcome.ok && outcome.content === CONTENT,
    `the pod got ${outcome.arn} but could not read s3://${BUCKET}/${ALLOWED_KEY}: ${said}`,
  )
  const { arn } = outcome
  return { arn, sentence: `read "${CONTENT}" as ${arn.slice(arn.indexOf('assumed-role/'))}` }
}

/** The refusal's reason, `CODE: message`, where it holds one of the words; throws otherwise. */
export function mustBeRefused(
  outcome: { readonly ok: boolean; readonly error?: string; readonly message?: string },
  words: RegExp,
): string {
  mustHold(!outcome.ok, 'it was let in, and should have been refused')
  const reason = `${outcome.error ?? ''}: ${outcome.message ?? ''}`
  mustHold(words.test(reason), `it was refused for another reason: ${reason}`)
  return reason
}
