import type { ObservedState, PlanRole } from './observed-state.ts'
import type { SpokenOf } from './own-trust.ts'
import type { Draft } from './steps.ts'

/** What every part of a planner has. */
export interface PlanContext {
  readonly draft: Draft
  readonly observed: ObservedState
  readonly options: PlanOptions
  readonly spoken: SpokenOf
  readonly findRole: (name: string) => PlanRole | undefined
  /** Trust policies that are to be trimmed when all else is done. */
  readonly trims: TrustTrim[]
  /** Of a role that is there, or that is to be made. */
  readonly roleArnOf: (name: string) => string
}

export interface TrustTrim {
  readonly role: string
  readonly before: string
  readonly after: string
  /** Steps after which its service accounts have it. */
  readonly ready: readonly string[]
}

export interface PlanOptions {
  /** Changes what others made, where a file asks for it to be otherwise. */
  readonly adopt: boolean
  /** Goes on where somebody loses access. */
  readonly force: boolean
  /** IAM was not looked at: roles that a file names are taken to be there. */
  readonly isIamUnseen?: boolean
  /** Kubernetes was not looked at. */
  readonly isKubeUnseen?: boolean
}
