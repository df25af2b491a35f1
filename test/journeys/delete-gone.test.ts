/** `podrole delete` of a cluster that is gone itself: what podrole made for it in IAM is left. */
import { DeleteAddonCommand, DeleteClusterCommand, ListAddonsCommand } from '@aws-sdk/client-eks'
import {
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  ListOpenIDConnectProvidersCommand,
  ListRolesCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  ACCOUNT,
  CLUSTER,
  type EksSandbox,
  REGION,
  startEksSandbox,
} from '../support/eks-sandbox.ts'
import { podsTrust } from '../support/shop-journey.ts'

const STEP_MS = 60_000
const POLICY = 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'
const fileOf = (name: string): string => `
apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: { name: ${name}, region: ${REGION} }
iam:
  withOIDC: true
  serviceAccounts:
    - { metadata: { name: reports, namespace: shop }, attachPolicyARNs: ['${POLICY}'], roleName: reports }
  podIdentityAssociations:
    - { namespace: shop, serviceAccountName: orders, createServiceAccount: true, permissionPolicyARNs: ['${POLICY}'] }
    - { namespace: shop, serviceAccountName: given, roleARN: 'arn:aws:iam::${ACCOUNT}:role/given' }
accessConfig:
  authenticationMode: API
addons:
  - { name: aws-ebs-csi-driver, useDefaultPodIdentityAssociations: true }
`
/** Of others. */
const THEIRS = ['AWSServiceRoleForAmazonEKS', 'given']
const OTHER_ISSUER = `https://oidc.eks.${REGION}.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF`

let here: EksSandbox

const roleNames = async (): Promise<readonly string[]> =>
  ((await here.iam.send(new ListRolesCommand({}))).Roles ?? [])
    .map(({ RoleName = '' }) => RoleName)
    .sort()
const providers = async (): Promise<readonly string[]> =>
  (
    (await here.iam.send(new ListOpenIDConnectProvidersCommand({}))).OpenIDConnectProviderList ?? []
  ).map(({ Arn = '' }) => Arn)

beforeAll(async () => {
  here = await startEksSandbox()
  const { desk, eks, iam } = here
  const given = { RoleName: 'given', AssumeRolePolicyDocument: podsTrust() }
  await iam.send(new CreateRoleCommand(given))
  await iam.send(
    new CreateOpenIDConnectProviderCommand({
      Url: OTHER_ISSUER,
      ClientIDList: ['sts.amazonaws.com'],
    }),
  )
  desk.write('cluster.yaml', fileOf(CLUSTER))
  desk.write('mistyped.yaml', fileOf('bleu'))
  desk.write(
    'part.yaml',
    fileOf(CLUSTER)
      .replace(/ {2}serviceAccounts:\n.*\n/, '')
      .replace(/addons:[^]*$/, ''),
  )
  const applied = await desk.run('apply -f cluster.yaml --yes')
  expect([applied.code, applied.out]).toEqual([0, expect.any(String)])
  const { addons = [] } = await eks.send(new ListAddonsCommand({ clusterName: CLUSTER }))
  for (const addonName of addons) {
    await eks.send(new DeleteAddonCommand({ clusterName: CLUSTER, addonName }))
  }
  await eks.send(new DeleteClusterCommand({ name: CLUSTER }))
}, STEP_MS)
afterAll(() => here.stop(), STEP_MS)

test(
  'a mistyped name finds nothing that was made for it, and says so',
  async () => {
    const before = await roleNames()
    const { code, err, out } = await here.desk.run('delete -f mistyped.yaml --yes')
    expect([code, out]).toEqual([0, 'Nothing to do: nothing is left of what the files made.\n'])
    expect(err).toContain(
      `there is no cluster bleu in ${REGION} of account ${ACCOUNT}, and IAM has nothing that podrole made for it`,
    )
    expect(await roleNames()).toEqual(before)
    expect((await providers()).length).toBe(2)
  },
  STEP_MS,
)

test(
  'an apply still refuses it',
  async () => {
    const { code, err, out } = await here.desk.run('apply -f cluster.yaml --yes')
    expect(code).toBe(1)
    expect(`${out}${err}`).toContain(`there is no cluster ${CLUSTER} in ${REGION}`)
  },
  STEP_MS,
)

test(
  'a file of a part takes that, and tells what else was made for the cluster',
  async () => {
    const { code, err } = await here.desk.run('delete -f part.yaml --yes -o json')
    expect([code, err]).toEqual([0, expect.any(String)])
    const left = (await roleNames()).filter((name) => !THEIRS.includes(name))
    expect(left).toEqual([expect.stringMatching(/^podrole-blue-/), 'reports'])
    expect((await providers()).length).toBe(1)
    const again = await here.desk.run('delete -f part.yaml --yes')
    expect([again.code, again.err]).toEqual([
      0,
      expect.stringContaining('role reports: podrole made it for this cluster'),
    ])
  },
  STEP_MS,
)

test(
  'the rest goes with the file that names it, and nothing of others',
  async () => {
    const { code, err, out } = await here.desk.run('delete -f cluster.yaml --yes')
    expect([code, err]).toEqual([0, expect.any(String)])
    expect(out).toContain(`cluster ${CLUSTER} in ${REGION} is gone`)
    expect(out).toContain('Nothing is left of what the files made.')
    expect(await roleNames()).toEqual(THEIRS)
    expect(await providers()).toEqual([
      `arn:aws:iam::${ACCOUNT}:oidc-provider/${OTHER_ISSUER.slice('https://'.length)}`,
    ])
    const again = await here.desk.run('delete -f cluster.yaml --yes')
    expect([again.code, again.out]).toEqual([
      0,
      'Nothing to do: nothing is left of what the files made.\n',
    ])
  },
  STEP_MS,
)
