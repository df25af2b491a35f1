import type { ServiceAccountName } from '../../iam/service-account-name.ts'
import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import { OWNER_TAG } from '../../iam/tags.ts'
import { type KubeClient, SERVICE_ACCOUNTS } from '../../kube/client.ts'
import type { ServiceAccount } from '../../kube/objects.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'

/** What AWS's webhook reads, and podrole's. */
export const ROLE_ANNOTATION = 'eks.amazonaws.com/role-arn'

export type AnnotationStep = { readonly serviceAccount: ServiceAccountName } & (
  | { readonly step: 'create' }
  /** At that version of the object alone. */
  | { readonly step: 'annotate'; readonly resourceVersion: string }
)

export interface AnnotationOptions {
  readonly createServiceAccount: boolean
  readonly overwrite: boolean
}

/**
 * What is to be done so that the service accounts have the annotation; nothing for those that have
 * it. Reads only.
 * @throws PodroleError `NoServiceAccount`, `OtherRole`; Kubernetes' own
 */
export async function planAnnotations(
  kube: KubeClient,
  wanted: { readonly roleArn: string; readonly serviceAccounts: readonly ServiceAccountName[] },
  options: AnnotationOptions,
): Promise<readonly AnnotationStep[]> {
  const steps: AnnotationStep[] = []
  for (const serviceAccount of wanted.serviceAccounts) {
    const found = await find(kube, serviceAccount)
    const step = planOne(found, { roleArn: wanted.roleArn, serviceAccount }, options)
    if (step !== undefined) steps.push(step)
  }
  return steps
}

async function find(
  kube: KubeClient,
  { name, namespace }: ServiceAccountName,
): Promise<ServiceAccount | undefined> {
  try {
    return await kube.get<ServiceAccount>(SERVICE_ACCOUNTS, { namespace, name })
  } catch (error) {
    if (codeOf(error) === 'NotFound') return undefined
    throw error
  }
}

function planOne(
  found: ServiceAccount | undefined,
  wanted: { readonly roleArn: string; readonly serviceAccount: ServiceAccountName },
  options: AnnotationOptions,
): AnnotationStep | undefined {
  const { roleArn, serviceAccount } = wanted
  const label = formatServiceAccountName(serviceAccount)
  if (found === undefined) {
    if (options.createServiceAccount) return { serviceAccount, step: 'create' }
    throw new PodroleError('NoServiceAccount', `there is no service account ${label}`, {
      hint: 'Make it, or let it be made with --create-service-account.',
    })
  }
  const present = found.metadata.annotations?.[ROLE_ANNOTATION]
  if (present === roleArn) return undefined
  if (present !== undefined && !options.overwrite) {
    throw new PodroleError(
      'OtherRole',
      `service account ${label} is annotated with another role, ${JSON.stringify(present)}`,
      {
        hint: '--overwrite puts this one in its place; its pods have the old one until they restart.',
      },
    )
  }
  const { resourceVersion = '' } = found.metadata
  return { serviceAccount, step: 'annotate', resourceVersion }
}

/**
 * Writes the annotation by a merge patch of that key alone, or makes the service account.
 * @throws PodroleError `ServiceAccountChanged`; Kubernetes' own
 */
export async function annotate(
  kube: KubeClient,
  step: AnnotationStep,
  roleArn: string,
): Promise<string> {
  const { name, namespace } = step.serviceAccount
  const label = formatServiceAccountName(step.serviceAccount)
  const annotations = { [ROLE_ANNOTATION]: roleArn }
  if (step.step === 'create') {
    const metadata = { namespace, name, annotations: { ...annotations, ...OWNER_TAG } }
    await kube.create<ServiceAccount>(SERVICE_ACCOUNTS, { metadata })
    return `service account ${label} made, with the annotation`
  }
  try {
    const { resourceVersion } = step
    await kube.mergePatch(
      SERVICE_ACCOUNTS,
      { namespace, name },
      { metadata: { resourceVersion, annotations } },
    )
  } catch (error) {
    if (codeOf(error) !== 'Conflict') throw error
    throw new PodroleError(
      'ServiceAccountChanged',
      `service account ${label} was changed by somebody else meanwhile; it was not annotated`,
      { hint: 'Run the same command again.', cause: error },
    )
  }
  return `service account ${label} annotated`
}
