/** `podrole apply` as typed: document 004's cluster config as it stands, twice, and on day 2. */
import { ListPodIdentityAssociationsCommand } from '@aws-sdk/client-eks'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { DOCUMENT_CLUSTER, readDocument, startDocument004 } from '../support/document-004.ts'
import type { EksSandbox } from '../support/eks-sandbox.ts'

const STEP_MS = 60_000
const NOTHING = 'Nothing to do: everything is as the files say.\n'
const clusterName = DOCUMENT_CLUSTER

let here: EksSandbox
const text = readDocument('document-004-rctl.yaml')
beforeAll(async () => {
  here = await startDocument004()
}, STEP_MS)
afterAll(() => here.stop(), STEP_MS)

const associations = async (): Promise<readonly string[]> => {
  const answer = await here.eks.send(new ListPodIdentityAssociationsCommand({ clusterName }))
  return (answer.associations ?? []).map((one) => `${one.namespace}/${one.serviceAccount}`).sort()
}

test(
  'is applied once, and then there is nothing to do',
  async () => {
    const unasked = await here.desk.run('apply -f cluster.yaml')
    expect(unasked.code).toBe(1)
    expect(unasked.err).toContain('there is nobody to ask')
    const first = await here.desk.run('apply -f cluster.yaml --yes')
    expect([first.code, first.err, first.out]).toEqual([
      0,
      expect.any(String),
      expect.stringMatching(/\n\d+ step\(s\) done\.\nNothing is left to do: .*\n$/),
    ])
    expect((await associations()).length).toBeGreaterThan(0)
    const second = await here.desk.run('apply -f cluster.yaml --yes')
    expect([second.code, second.out]).toEqual([0, NOTHING])
    const resumed = await here.desk.run('apply -f cluster.yaml --resume')
    expect(resumed.err).toContain('was left unfinished')
  },
  STEP_MS,
)

test(
  'on day 2 a tag changes and an association goes',
  async () => {
    const changed = text
      .replace('env: dev', 'env: test')
      .replace(
        / {2}- createServiceAccount: true\n {4}namespace: rafay-demo\n {4}roleARN: \S+\n {4}serviceAccountName: rafay-demo2\n/,
        '',
      )
    expect(changed.length).toBeLessThan(text.length - 50)
    here.desk.write('cluster.yaml', changed)
    const { code, err } = await here.desk.run('apply -f cluster.yaml --yes --force')
    expect([code, err]).toEqual([0, expect.stringContaining('rafay-demo/rafay-demo2 done')])
    expect(await associations()).toEqual(['rafay-demo/rafay-demo', 'rafay-demo/rafay-demo3'])
    const again = await here.desk.run('apply -f cluster.yaml --yes --force')
    expect([again.code, again.out]).toEqual([0, NOTHING])
  },
  STEP_MS,
)

test(
  'awsWorkloadIdentity on EKS: provider and record, and a file without it takes it back',
  async () => {
    const name = `kind: mk8s\nname: ${clusterName}\n`
    here.desk.write('mk8s.yaml', `${name}spec: { addOns: { awsWorkloadIdentity: {} } }\n`)
    here.desk.write('without.yaml', name)
    const applied = await here.desk.run('apply -f mk8s.yaml --yes')
    expect([applied.code, applied.err]).toEqual([
      0,
      expect.stringContaining("webhook: EKS's own, in its control plane"),
    ])
    expect(applied.out).toContain("+ webhook: EKS's own")
    expect((await here.desk.run('apply -f mk8s.yaml --yes')).out).toBe(NOTHING)
    const shown = await here.desk.run(`cluster get ${clusterName} -o json`)
    expect(JSON.parse(shown.out)).toMatchObject({
      status: {
        oidcProviderUrl: expect.stringContaining('https://oidc.eks.us-west-2.amazonaws.com/id/'),
        addOns: { awsWorkloadIdentity: { state: 'enabled', webhook: 'eks' } },
      },
    })
    const back = await here.desk.run('apply -f without.yaml --yes')
    expect([back.code, back.out]).toEqual([0, expect.stringContaining('1 step(s) done.')])
    const gone = await here.desk.run(`cluster get ${clusterName}`)
    expect([gone.code, gone.err]).toEqual([
      1,
      expect.stringContaining('has no awsWorkloadIdentity'),
    ])
  },
  STEP_MS,
)
