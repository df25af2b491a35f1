/** A plan of files as far as one half goes: made without any way to the other side. */
import { PodroleError } from '../../lib/errors.ts'
import { halfOf, type Half, withoutTaking } from '../../manage/apply/halves.ts'
import type { DesiredCluster } from '../../manage/desired/desired-state.ts'
import { observe } from '../../manage/observe/observe.ts'
import type { ObservePlaces } from '../../manage/observe/ports.ts'
import type { PlanOptions } from '../../manage/plan/context.ts'
import type { ObservedState } from '../../manage/plan/observed-state.ts'
import type { Plan } from '../../manage/plan/plan.ts'
import { kubernetesPartOf, UNSEEN_KUBE } from './half-places.ts'

/** Makes a plan of what is wanted and what is. */
export type PlanOf = (
  clusters: readonly DesiredCluster[],
  observed: ObservedState,
  view?: Pick<PlanOptions, 'isIamUnseen' | 'isKubeUnseen'>,
) => Plan

export interface MadePlan {
  readonly plan: Plan
  readonly observed: ObservedState
}

/** @throws as `observe`; PodroleError `NeedsBothSides` */
export async function planHalf(
  half: Half,
  clusters: readonly DesiredCluster[],
  { places, planOf }: { readonly places: ObservePlaces; readonly planOf: PlanOf },
): Promise<MadePlan> {
  return half === 'aws'
    ? planAws(clusters, places, planOf)
    : planKubernetes(clusters, places, planOf)
}

async function planAws(
  clusters: readonly DesiredCluster[],
  places: ObservePlaces,
  planOf: PlanOf,
): Promise<MadePlan> {
  const observed = await observe(clusters, { ...places, kube: async () => UNSEEN_KUBE })
  const plan = planOf(clusters, observed, { isKubeUnseen: true })
  const own = plan.steps.filter(({ action }) => halfOf(action) === 'aws')
  const steps = withoutTaking(own)
  const left = own.length - steps.length
  const remark = {
    code: 'half',
    text: `${left} step(s) that take something away wait for a plan that sees Kubernetes too: somebody there may have it still`,
  } as const
  return {
    observed,
    plan: { ...plan, steps, remarks: left === 0 ? plan.remarks : [...plan.remarks, remark] },
  }
}

async function planKubernetes(
  files: readonly DesiredCluster[],
  places: ObservePlaces,
  planOf: PlanOf,
): Promise<MadePlan> {
  const clusters = files.map(kubernetesPartOf)
  const observed = await observe(clusters, places)
  const made = planOf(clusters, observed, { isIamUnseen: true })
  const [long] = made.remarks.filter(({ code }) => code === 'long-trust')
  if (long !== undefined) {
    throw new PodroleError(
      'NeedsBothSides',
      `${long.text}: which service account has which of several roles, only a plan that sees AWS tells`,
      { hint: 'Apply a plan file: podrole plan -f FILE --out PLANFILE writes one.' },
    )
  }
  return {
    observed,
    plan: {
      steps: made.steps.filter(({ action }) => halfOf(action) === 'kubernetes'),
      refusals: made.refusals,
      remarks: [],
    },
  }
}
