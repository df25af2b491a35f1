/** The Pod Identity association of the service account, in the cluster that was named. */
import { formatServiceAccountName } from '../../../iam/service-account-name.ts'
import type { WorkloadFacts } from '../../facts/workload-facts.ts'
import type { Way } from '../../facts/way.ts'
import { outside } from '../fix.ts'
import { lateNote } from '../late-note.ts'
import { broken, type LinkVerdict, notApplicable, notKnown, ok } from '../verdict.ts'

export function associationLink(facts: WorkloadFacts, way: Way): LinkVerdict {
  if (way.method !== 'pod-identity') return notApplicable('association', 'Pod Identity is not used')
  const { association, cluster } = facts
  if (!association.known) {
    return notKnown('association', `the association cannot be read: ${association.why}`)
  }
  const name = formatServiceAccountName(facts.subject)
  const found = association.value
  if (found === undefined) {
    return broken('association', 'association-missing', {
      text: `cluster ${cluster.name} has no association for ${name}${lateNote(cluster)}, and the pod asks for one`,
      found: 'none',
      wanted: `an association for ${name}`,
      fix: outside(
        `choose the role and associate it: podrole association create ${name} --cluster ${cluster.name}${cluster.kind === 'broker' ? ' --broker' : ''} --role-arn ARN`,
      ),
    })
  }
  return ok('association', `${found.id} gives ${name} the role ${found.roleArn}`, {
    evidence: [
      ...(found.targetRoleArn === undefined ? [] : [`target role ${found.targetRoleArn}`]),
      found.disableSessionTags ? 'session tags are off' : 'six session tags, all transitive',
      ...(found.policy === undefined ? [] : ['with a session policy']),
    ],
  })
}
