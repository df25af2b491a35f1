/** The pod as it was admitted: did it get what the SDK needs, and by whom? */
import { formatServiceAccountName } from '../../../iam/service-account-name.ts'
import { ROLE_ARN } from '../../../webhook/mutation.ts'
import { parseCsvRecord } from '../../../webhook/annotations.ts'
import { valueOf } from '../../facts/fact.ts'
import type { WorkloadFacts } from '../../facts/workload-facts.ts'
import { command, commands, type Fix, outside } from '../fix.ts'
import { selects } from '../label-selector.ts'
import { lateNote } from '../late-note.ts'
import { broken, type LinkVerdict, notKnown, ok } from '../verdict.ts'
import {
  envOf,
  foreignTokenVolumeOf,
  ROLE_ANNOTATION,
  tokenMountOf,
  type Way,
} from '../../facts/way.ts'

const SKIP_ANNOTATION = 'eks.amazonaws.com/skip-containers'
/** Annotations that people write in place of the one that is read. */
const LOOKS_LIKE_ROLE = /(?:^|\/)(?:role-?arn|role|iam-role)$/i

export function podLink(facts: WorkloadFacts, way: Way): LinkVerdict {
  const { serviceAccount } = facts
  const name = formatServiceAccountName(facts.subject)
  if (!serviceAccount.known) {
    return notKnown('pod', `service account ${name} cannot be read: ${serviceAccount.why}`)
  }
  if (serviceAccount.value === undefined) return noServiceAccount(facts, way)
  if (!facts.pod.known) return notKnown('pod', `the pod cannot be read: ${facts.pod.why}`)
  if (way.pod === undefined || way.container === undefined) return withoutPod(facts, way)
  return way.method === 'none' ? notInjected(facts, way) : injected(facts, way)
}

function noServiceAccount(facts: WorkloadFacts, way: Way): LinkVerdict {
  const { name, namespace } = facts.subject
  const { roleArn } = way
  const make = command('kubectl', 'create', 'serviceaccount', name, '-n', namespace)
  return broken('pod', 'service-account-missing', {
    text: `there is no service account ${namespace}/${name}`,
    found: 'nothing',
    wanted: `service account ${namespace}/${name}`,
    fix:
      roleArn === undefined
        ? outside(
            `make service account ${namespace}/${name} and give it a role, by the annotation ${ROLE_ANNOTATION} or by an association`,
          )
        : commands(
            'make it with the role that the pod has',
            make,
            annotate(facts, roleArn),
            ...podsAgain(facts),
          ),
  })
}

function withoutPod(facts: WorkloadFacts, way: Way): LinkVerdict {
  const fault = annotationFault(facts, way) ?? webhookFault(facts)
  if (fault !== undefined) return fault
  return ok(
    'pod',
    `no pod of ${formatServiceAccountName(facts.subject)} runs; one made now would get ${way.roleArn}`,
  )
}

function injected(facts: WorkloadFacts, way: Way): LinkVerdict {
  const { container, pod } = way
  if (pod === undefined || container === undefined) return notKnown('pod', 'there is no pod')
  if (way.method === 'pod-identity') {
    return ok('pod', `${podName(way)} was admitted with container credentials`, {
      evidence: [
        `container ${container.name}: AWS_CONTAINER_CREDENTIALS_FULL_URI ${envOf(container, 'AWS_CONTAINER_CREDENTIALS_FULL_URI')}`,
      ],
    })
  }
  const mount = tokenMountOf(pod, container)
  const foreign = mount === undefined ? foreignTokenVolumeOf(pod, container) : undefined
  if (mount === undefined && foreign === undefined) return notMounted(way)
  if (!ROLE_ARN.test(way.roleArn ?? '')) return wrongArn(facts, way.roleArn ?? '')
  const { annotatedRoleArn, roleArn = '' } = way
  const isOther = annotatedRoleArn !== undefined && annotatedRoleArn !== roleArn
  return ok('pod', `${podName(way)} was admitted with ${roleArn} and its token volume`, {
    evidence: [
      `container ${container.name}: AWS_ROLE_ARN ${roleArn}, ${
        mount === undefined
          ? `token in volume ${foreign}, where the kubelet renews none`
          : `token for ${mount.audience}, ${mount.expirationSeconds} s`
      }`,
    ],
    warnings: isOther
      ? [`the service account has another role by now, ${annotatedRoleArn}: the pod keeps its own`]
      : [],
  })
}

function notMounted(way: Way): LinkVerdict {
  const file = way.container?.env?.find(({ name }) => name === 'AWS_WEB_IDENTITY_TOKEN_FILE')?.value
  return broken('pod', 'token-not-mounted', {
    text: `container ${way.container?.name} of ${podName(way)} reads its token from ${file}, where no token is mounted`,
    found: `AWS_WEB_IDENTITY_TOKEN_FILE ${file}`,
    wanted: 'the path of a projected service account token that the container mounts',
    fix: outside(
      `take AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE and the token volume out of the pod's template, so that the webhook puts all of it there`,
    ),
  })
}

/** The pod has nothing: the first reason that also holds for the next pod, else its age. */
function notInjected(facts: WorkloadFacts, way: Way): LinkVerdict {
  const wanted = valueOf(facts.association)?.roleArn ?? way.annotatedRoleArn ?? ''
  return (
    annotationFault(facts, way) ??
    skippedFault(way) ??
    webhookFault(facts) ??
    excludedFault(facts, way) ??
    propagatingFault(facts, way) ??
    broken('pod', 'pod-admitted-without-role', {
      text: `${podName(way)} was admitted without credentials; a pod made now gets ${wanted}`,
      found: 'no token volume and no variables',
      wanted: `a token volume and the variables for ${wanted}`,
      fix: commands('make the pod again', deletePod(way)),
    })
  )
}

function annotationFault(facts: WorkloadFacts, way: Way): LinkVerdict | undefined {
  if (valueOf(facts.association) !== undefined) return undefined
  const name = formatServiceAccountName(facts.subject)
  const { annotatedRoleArn } = way
  const annotations = valueOf(facts.serviceAccount)?.metadata.annotations ?? {}
  if (annotatedRoleArn !== undefined) {
    return ROLE_ARN.test(annotatedRoleArn) ? undefined : wrongArn(facts, annotatedRoleArn)
  }
  const like = Object.entries(annotations).find(
    ([key, value]) => LOOKS_LIKE_ROLE.test(key) && ROLE_ARN.test(value),
  )
  if (like !== undefined) {
    const [key, value] = like
    return broken('pod', 'annotation-misspelt', {
      text: `service account ${name} has the annotation ${key}, which nobody reads`,
      found: key,
      wanted: ROLE_ANNOTATION,
      fix: annotateAgain(
        facts,
        `annotate it with ${ROLE_ANNOTATION}, and make the pod again`,
        value,
      ),
    })
  }
  return notAsked(facts, way)
}

function notAsked({ association, cluster, subject }: WorkloadFacts, way: Way): LinkVerdict {
  const name = formatServiceAccountName(subject)
  if (!association.known) {
    const text = `service account ${name} has no annotation ${ROLE_ANNOTATION}, and its associations are not known: ${association.why}`
    // A pod that is there got nothing, whatever is associated by now.
    if (way.pod === undefined) return notKnown('pod', text)
    return broken('pod', 'no-role-asked-for', { text, found: 'no annotation', ...aRole(name) })
  }
  return broken('pod', 'no-role-asked-for', {
    text: `service account ${name} has no role: no annotation ${ROLE_ANNOTATION} and no association${lateNote(cluster)}`,
    found: 'neither',
    ...aRole(name),
  })
}

const aRole = (name: string): { readonly wanted: string; readonly fix: Fix } => ({
  wanted: 'one of the two',
  fix: outside(
    `choose a role for ${name}: podrole association create on EKS or with a broker, podrole role create --annotate with IRSA; then make the pod again`,
  ),
})

function wrongArn(facts: WorkloadFacts, found: string): LinkVerdict {
  const real = valueOf(facts.role)?.arn
  const name = formatServiceAccountName(facts.subject)
  return broken('pod', 'annotation-not-role-arn', {
    text: `the role of ${name} is written ${JSON.stringify(found)}, which is not a role's ARN`,
    found,
    wanted: real ?? 'arn:PARTITION:iam::ACCOUNT:role/NAME',
    fix:
      real === undefined
        ? outside(
            `write the ARN of the role that ${name} is to have into the annotation ${ROLE_ANNOTATION}, and make the pod again`,
          )
        : annotateAgain(facts, "write the role's ARN, and make the pod again", real),
  })
}

function skippedFault({ container, pod }: Way): LinkVerdict | undefined {
  const text = pod?.metadata.annotations?.[SKIP_ANNOTATION] ?? ''
  if (container === undefined || !parseCsvRecord(text)?.includes(container.name)) return undefined
  return broken('pod', 'container-skipped', {
    text: `the pod's annotation ${SKIP_ANNOTATION} names container ${container.name}`,
    found: text,
    wanted: `a list without ${container.name}`,
    fix: outside(
      `take ${container.name} out of the annotation ${SKIP_ANNOTATION} in the pod's template, and make the pod again`,
    ),
  })
}

/** Webhooks that inject, by their names: AWS's own and podrole's. */
const INJECTS = /pod-identity-webhook|podrole/

function webhookFault({ webhooks }: WorkloadFacts): LinkVerdict | undefined {
  if (!webhooks.known) return undefined
  const names = webhooks.value.map(({ configuration }) => configuration)
  if (names.some((name) => INJECTS.test(name))) return undefined
  return broken('pod', 'webhook-missing', {
    text: 'no webhook in the cluster injects credentials into pods',
    found: names.length === 0 ? 'no mutating webhook for pods' : names.join(', '),
    wanted: 'pod-identity-webhook or podrole-webhook',
    fix: outside(
      'install the webhook (podrole webhook manifests prints its objects; EKS has one of its own), and make the pod again',
    ),
  })
}

/** Every webhook that injects leaves such pods out. */
function excludedFault({ webhooks }: WorkloadFacts, { pod }: Way): LinkVerdict | undefined {
  const labels = pod?.metadata.labels ?? {}
  const injecting = (valueOf(webhooks) ?? []).filter(({ configuration }) =>
    INJECTS.test(configuration),
  )
  if (injecting.some(({ objectSelector }) => selects(objectSelector, labels))) return undefined
  return broken('pod', 'webhook-excludes-pod', {
    text: `the webhook leaves the pod out by its labels ${JSON.stringify(labels)}`,
    found: JSON.stringify(labels),
    wanted: `labels that ${injecting.map(({ configuration }) => configuration).join(', ')} selects`,
    fix: outside(
      "take the label that the webhook's objectSelector leaves out (eks.amazonaws.com/skip-pod-identity-webhook, as a rule) off the pod's template, and make the pod again",
    ),
  })
}

/** How long an association may be seen late; seconds, as a rule (EKS User Guide, "Pod Identities"). */
const PROPAGATES_MS = 120_000

/** The pod is younger than the association, by little: the webhook did not see it yet. */
function propagatingFault(facts: WorkloadFacts, way: Way): LinkVerdict | undefined {
  const association = valueOf(facts.association)
  const { creationTimestamp = '' } = way.pod?.metadata ?? {}
  const aheadMs = Date.parse(creationTimestamp) - (association?.createdAtMs ?? Number.NaN)
  if (association === undefined || !(aheadMs > 0 && aheadMs < PROPAGATES_MS)) return undefined
  return broken('pod', 'association-propagating', {
    text: `${podName(way)} was made ${Math.ceil(aheadMs / 1000)} s after its association, when the webhook did not see it yet`,
    found: `pod of ${creationTimestamp}, association of ${new Date(association.createdAtMs).toISOString()}`,
    wanted: `a pod that is made when the association is seen, with the role ${association.roleArn}`,
    fix: commands('make the pod again', deletePod(way)),
  })
}

const podName = ({ pod }: Way): string => `pod ${pod?.metadata.namespace}/${pod?.metadata.name}`

const deletePod = ({ pod }: Way): string =>
  command('kubectl', 'delete', 'pod', pod?.metadata.name ?? '', '-n', pod?.metadata.namespace ?? '')

function podsAgain(facts: WorkloadFacts): readonly string[] {
  const pod = valueOf(facts.pod)
  if (pod === undefined) return []
  const { name = '', namespace = '' } = pod.metadata
  return [command('kubectl', 'delete', 'pod', name, '-n', namespace)]
}

const annotate = ({ subject }: WorkloadFacts, roleArn: string): string =>
  command(
    'kubectl',
    'annotate',
    'serviceaccount',
    subject.name,
    '-n',
    subject.namespace,
    '--overwrite',
    `${ROLE_ANNOTATION}=${roleArn}`,
  )

export const annotateAgain = (facts: WorkloadFacts, text: string, roleArn: string): Fix =>
  commands(text, annotate(facts, roleArn), ...podsAgain(facts))
