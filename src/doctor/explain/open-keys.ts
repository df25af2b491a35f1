import type { Decision } from '../../iam/evaluate.ts'
import { variableNames } from '../../iam/policy-variables.ts'

/**
 * Keys whose value is not known, on which a refusal hangs: of a Deny that matched, and of an Allow
 * that did not by its conditions or its resource.
 */
export function openKeysOf(
  { statements }: Decision,
  isKnown: (key: string) => boolean,
): readonly string[] {
  const keys = statements.flatMap(({ conditions = [], effect, mismatch }) => {
    if (effect === 'Deny') return conditions.flatMap(namesIn)
    if (mismatch?.reason === 'condition') return namesIn(mismatch)
    return mismatch?.reason === 'resource' ? mismatch.wanted.flatMap(variableNames) : []
  })
  return [...new Set(keys.filter((key) => !isKnown(key)))]
}

const namesIn = ({
  key,
  wanted,
}: {
  readonly key: string
  readonly wanted: readonly string[]
}): readonly string[] => [key, ...wanted.flatMap(variableNames)]
