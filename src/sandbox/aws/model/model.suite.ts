/** The model as a whole: one step for each operation. */
import { ASSOCIATION_STEPS } from './associations.suite.ts'
import { type Operation, type Outcome, textOf } from './operations.suite.ts'
import { PROFILE_STEPS } from './profiles.suite.ts'
import { PROVIDER_STEPS } from './providers.suite.ts'
import { ROLE_STEPS, type Step } from './roles.suite.ts'
import { SESSION_STEPS } from './sessions.suite.ts'
import { ROLE_TAG_STEPS } from './tagging.suite.ts'
import { DONE, type QuotaName, type World } from './world.suite.ts'

const TEST_STEPS: Readonly<Record<string, Step>> = {
  Wait: (world, { input }) => {
    world.nowMs += Number(input['ms'])
    return DONE
  },
  SetQuota: (world, { input }) => {
    world.quotas[textOf(input, 'name') as QuotaName] = Number(input['value'])
    return DONE
  },
}

export const STEPS: Readonly<Record<string, Step>> = {
  ...ROLE_STEPS,
  ...ROLE_TAG_STEPS,
  ...PROFILE_STEPS,
  ...PROVIDER_STEPS,
  ...ASSOCIATION_STEPS,
  ...SESSION_STEPS,
  ...TEST_STEPS,
}

/** What an operation ends with; the world is then as it must be. `newId` names what it makes. */
export function stepModel(world: World, operation: Operation, newId: string): Outcome {
  const step = STEPS[operation.name]
  if (step === undefined) throw new Error(`the model has no step for ${operation.name}`)
  return step(world, operation, newId)
}
