/** `podrole apply` as typed on a cluster that is not EKS: its own issuer for IRSA, a broker for associations. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { Plan } from '../../src/manage/plan/plan.ts'
import type { Ran } from '../support/podrole.ts'
import { REGION, type ShopJourney, startShopJourney } from '../support/shop-journey.ts'

const STEP_MS = 120_000
const NOTHING = 'Nothing to do: everything is as the files say.\n'
const ISSUER = 'https://edge.issuer.sandbox/clusters/edge'

let here: ShopJourney
beforeAll(async () => {
  here = await startShopJourney()
  here.desk.write('edge.kubeconfig', here.edge.cluster.kubeconfig())
}, STEP_MS)
afterAll(() => here.stop(), STEP_MS)

/** The file with these associations, each as a line of YAML. */
const write = (...associations: readonly string[]): string =>
  here.desk.write(
    'edge.yaml',
    `apiVersion: podrole.dev/v1alpha1
kind: Cluster
metadata: { name: shop-edge, region: ${REGION} }
issuer: { url: ${ISSUER} }
broker: { url: ${here.wired.brokers[0]?.endpoint.url ?? ''} }
iam:
  withOIDC: true
  serviceAccounts:
    - metadata: { name: sensor, namespace: shop, labels: { app: sensor } }
      attachPolicyARNs: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]
  podIdentityAssociations:
${associations.map((one) => `    - ${one}\n`).join('')}`,
  )

const READ = 'permissionPolicyARNs: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]'
const UPLOADER = `{ namespace: shop, serviceAccountName: uploader, createServiceAccount: true, roleName: uploader, ${READ} }`
const podrole = (line: string): Promise<Ran> =>
  here.desk.run(`${line} -f edge.yaml --ca-file ca.pem --kubeconfig edge.kubeconfig`)
const describe = (name: string): ReturnType<ShopJourney['describeAssociation']> =>
  here.describeAssociation(name, '--cluster shop-edge --broker --ca-file ca.pem')

test(
  'without the provider of the fleet it is refused, with the command that makes it',
  async () => {
    write(UPLOADER)
    const { code, out } = await podrole('apply --yes')
    expect(code).toBe(1)
    const [, command = ''] = /podrole (issuer provider create --issuer \S+)/.exec(out) ?? []
    const made = await here.desk.run(command)
    expect(made).toMatchObject({ code: 0 })
  },
  STEP_MS,
)

test(
  'where the authority behind the broker is not known, its option is named',
  async () => {
    const place = '--kubeconfig edge.kubeconfig'
    for (const line of [
      `plan -f edge.yaml ${place}`,
      `apply -f edge.yaml --yes ${place}`,
      'association list --cluster shop-edge --broker',
      `cluster list --broker ${here.wired.brokers[0]?.endpoint.url ?? ''}`,
    ]) {
      const { code, err } = await here.desk.run(line)
      expect({ line, code, err }).toEqual({
        line,
        code: 1,
        err: expect.stringMatching(/UNABLE_TO_VERIFY_LEAF_SIGNATURE[^]*--ca-file/),
      })
    }
  },
  STEP_MS,
)

test(
  'is applied once, and then there is nothing to do; a pod gets its role',
  async () => {
    const first = await podrole('apply --yes')
    expect(first).toMatchObject({ code: 0 })
    expect((await podrole('apply --yes')).out).toBe(NOTHING)
    expect(await describe('shop/uploader')).toMatchObject({
      roleArn: 'arn:aws:iam::111122223333:role/uploader',
      tags: { 'podrole.dev/managed-by': 'podrole' },
    })
    const pod = await here.readAs(here.edge, 'uploader')
    expect([pod.ok, pod.content, pod.message]).toEqual([true, 'tea', undefined])
    expect((await here.serviceAccountOf(here.edge, 'sensor'))?.metadata).toMatchObject({
      labels: { app: 'sensor' },
      annotations: {
        'eks.amazonaws.com/role-arn': expect.stringMatching(/role\/podrole-shop-edge-/),
      },
    })
  },
  STEP_MS,
)

test(
  'day 2: settings and tags changed, another one made; changed by hand, that is shown and mended',
  async () => {
    const changed = UPLOADER.replace(
      ' }',
      `, disableSessionTags: true, policy: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}', tags: { team: shop } }`,
    )
    const other = `{ namespace: shop, serviceAccountName: other, createServiceAccount: true, roleName: uploader, ${READ}, disableSessionTags: true, tags: { team: shop } }`
    write(changed, other)
    const first = await podrole('apply --yes')
    expect(first).toMatchObject({ code: 0 })
    expect(first.err).toContain('tag-resource ')
    expect((await podrole('apply --yes')).out).toBe(NOTHING)
    const uploader = await describe('shop/uploader')
    expect(uploader.disableSessionTags).toBe(true)
    expect(uploader.tags['team']).toBe('shop')
    expect((await describe('shop/other')).tags['team']).toBe('shop')
    const byHand = await here.desk.run(
      'association delete shop/other --cluster shop-edge --broker --ca-file ca.pem --keep-role',
    )
    expect(byHand).toMatchObject({ code: 0 })
    const { steps } = JSON.parse((await podrole('plan -o json')).out) as Plan
    expect(steps.map(({ action }) => action)).toMatchObject([{ do: 'create-association' }])
    expect(await podrole('apply --yes')).toMatchObject({ code: 0 })
    expect((await podrole('apply --yes')).out).toBe(NOTHING)
  },
  STEP_MS,
)

test(
  'what the file names no more goes, and nothing of it is left',
  async () => {
    write(UPLOADER)
    const { code, err } = await podrole('apply --yes')
    expect([code, err]).toEqual([0, expect.stringContaining('shop/other done')])
    expect((await podrole('apply --yes')).out).toBe(NOTHING)
    expect(await here.serviceAccountOf(here.edge, 'other')).toBeUndefined()
  },
  STEP_MS,
)
