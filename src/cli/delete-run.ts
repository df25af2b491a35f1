/** `podrole delete`. */
import { makeDeletePlan } from '../manage/plan/make-delete-plan.ts'
import { NOTHING_TO_DELETE } from '../manage/plan/render.ts'
import { runChange } from './apply-run.ts'
import type { ChangeFlags } from './commands/apply.ts'

export async function runDelete(flags: ChangeFlags): Promise<void> {
  await runChange(flags, {
    command: 'delete',
    planOf: (clusters, observed) => makeDeletePlan(clusters, observed, flags),
    nothing: NOTHING_TO_DELETE,
    nothingLeft: 'Nothing is left of what the files made.',
  })
}
