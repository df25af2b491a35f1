/** All that an account and its clusters have of what plans look at, in one spelling. */
import { openAccount } from '../../src/aws/account.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { DesiredCluster } from '../../src/manage/desired/desired-state.ts'
import { eksReader } from '../../src/manage/observe/eks-reader.ts'
import { iamReader } from '../../src/manage/observe/iam-reader.ts'
import { kubeReader } from '../../src/manage/observe/kube-reader.ts'
import { observe } from '../../src/manage/observe/observe.ts'
import { canonicalState } from '../../src/manage/plan/laws.suite.ts'
import type { ObservedState } from '../../src/manage/plan/observed-state.ts'
import type { EksSandbox } from './eks-sandbox.ts'

/** Speaks of everything, and asks for nothing but the provider, which nobody takes away. */
export const askForNothing = (name: string, region: string): DesiredCluster => ({
  source: 'cluster.yaml',
  kind: 'eks',
  name,
  region,
  tags: {},
  withOidc: true,
  serviceAccounts: [],
  associations: [],
  addons: [],
  access: { path: 'accessConfig', entries: [] },
})

/** Without the names that AWS gives: what is made again has others. */
export const spellState = (state: ObservedState): string =>
  canonicalState({
    ...state,
    clusters: state.clusters.map((one) => ({
      ...one,
      offers: [],
      associations: one.associations.map(({ ownerArn, ...each }) => ({
        ...each,
        arn: '',
        associationId: '',
        ...(ownerArn !== undefined && { ownerArn: 'an add-on' }),
      })),
      accessEntries: one.accessEntries.map((each) => ({ ...each, arn: '' })),
      addons: one.addons.map((each) => ({ ...each, arn: '' })),
    })),
  })

/** Of the one cluster of a sandbox and its account. */
export async function wholeState(
  { cluster, sandbox }: Pick<EksSandbox, 'cluster' | 'sandbox'>,
  accountId: string,
): Promise<string> {
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials(accountId)
  const credentials = { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
  const { endpoint, region } = sandbox
  const account = await openAccount({ endpoint, region, credentials })
  const onCall = (): void => undefined
  const environment = { AWS_ENDPOINT_URL: endpoint }
  const state = await observe([askForNothing(cluster.name, region)], {
    iam: await iamReader(account, { environment, clock: systemClock, onCall }),
    cluster: ({ name }) => eksReader(account, name, onCall),
    kube: async () => kubeReader(cluster.client, undefined, onCall),
  })
  return spellState(state)
}
