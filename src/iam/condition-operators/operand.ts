import type { ContextLookup } from '../context-lookup.ts'

/**
 * Whether one value of a policy matches one value of a request, for the positive form of an
 * operator; negation, sets and missing keys are the caller's. `variables` is undefined where the
 * policy's version knows no variables.
 */
export type ValueMatch = (
  wanted: string,
  actual: string,
  variables: ContextLookup | undefined,
) => boolean
