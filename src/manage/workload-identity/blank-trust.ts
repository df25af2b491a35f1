/** Trust policies with a service account to be filled in, as document 002 has them. */
import { subjectOf } from '../../iam/service-account-name.ts'
import { fleetTrust, irsaTrust } from '../../iam/trust.ts'

interface Account {
  readonly partition: string
  readonly accountId: string
}

/** The document's own words. */
const BLANKS = { namespace: '<NAMESPACE>', name: '<SERVICE_ACCOUNT>' }
const STAND_IN = { namespace: 'podrole-any-namespace', name: 'podrole-any-name' }

/** Of a role for a service account of a cluster with that issuer (IRSA). */
export const blankIrsaTrust = (issuer: string, account: Account): object =>
  withBlanks(irsaTrust({ ...account, issuer, subjects: [STAND_IN] }))

/** Of a role for a service account of a broker's cluster, whose fleet has that issuer. */
export const blankFleetTrust = (issuer: string, cluster: string, account: Account): object =>
  withBlanks(fleetTrust({ ...account, issuer, clusters: [cluster], serviceAccount: STAND_IN }))

const withBlanks = (policy: object): object =>
  JSON.parse(JSON.stringify(policy).replaceAll(subjectOf(STAND_IN), subjectOf(BLANKS))) as object
