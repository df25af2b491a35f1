/** `podrole addon` as typed: versions, waiting, and who would lose access. */
import {
  CreateAddonCommand,
  CreatePodIdentityAssociationCommand,
  DescribeAddonCommand,
} from '@aws-sdk/client-eks'
import { CreateRoleCommand } from '@aws-sdk/client-iam'
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test'
import catalog from '../../src/sandbox/aws/eks/addon-catalog.json'
import { CLUSTER, type EksSandbox, startEksSandbox } from '../support/eks-sandbox.ts'
import { podsTrust } from '../support/shop-journey.ts'

const STEP_MS = 60_000
const NAME = 'eks-pod-identity-agent'
const at = `${NAME} --cluster ${CLUSTER}`
const [NEWEST = '', OLDER = ''] =
  catalog.find(({ addonName }) => addonName === NAME)?.versions ?? []
let here: EksSandbox

beforeAll(async () => {
  here = await startEksSandbox()
}, 60_000)
afterEach(() => here.sandbox.aws.faults.replace([]))
afterAll(() => here.stop())

const step = (name: string, run: () => Promise<void>): void => test(name, run, STEP_MS)
const run = (line: string): ReturnType<typeof here.desk.run> => here.desk.run(`addon ${line}`)
const status = async (): Promise<Record<string, unknown>> =>
  JSON.parse((await run(`status ${at} -o json`)).out) as Record<string, unknown>

step('what is not enabled is told, with the command that does', async () => {
  expect(await status()).toMatchObject({ status: 'not enabled', latestVersion: NEWEST })
  for (const line of [`disable ${at}`, `update ${at}`]) {
    const { code, err } = await run(line)
    expect(code).toBe(1)
    expect(err).toContain(`podrole addon enable ${at}`)
  }
})

step('enabled, it is waited for with progress; the same again does nothing', async () => {
  const wrong = await run(`enable ${at} --addon-version v9`)
  expect(wrong.err).toContain('has no version "v9"')
  expect(wrong.err).toContain(`Wanted latest, default or one of ${NEWEST}, ${OLDER}`)
  const { code, err, out } = await run(`enable ${at} --addon-version ${OLDER}`)
  expect({ code, err }).toMatchObject({ code: 0 })
  expect(err).toContain(`add-on ${NAME} is CREATING`)
  expect(err).toContain(`add-on ${NAME} ${OLDER} is ACTIVE`)
  expect(out).toContain(`:addon/${CLUSTER}/${NAME}/`)
  const input = { clusterName: CLUSTER, addonName: NAME }
  const { addon } = await here.eks.send(new DescribeAddonCommand(input))
  expect(addon).toMatchObject({
    status: 'ACTIVE',
    addonVersion: OLDER,
    tags: { 'podrole.dev/managed-by': 'podrole' },
  })
  const before = here.writes.length
  expect((await run(`enable ${at}`)).err).toContain('is there: nothing was done')
  const other = await run(`enable ${at} --addon-version latest`)
  expect(other.code).toBe(1)
  expect(other.err).toContain(`podrole addon update ${at} --addon-version ${NEWEST}`)
  expect(here.writes.slice(before)).toEqual([])
  expect(await status()).toMatchObject({ status: 'ACTIVE', updateAvailable: true })
})

step('updated to the latest; latest never goes back, a version by its name does', async () => {
  here.sandbox.aws.faults.replace(['eks:*=eventual:500ms'])
  const { code, err } = await run(
    `update ${at} --addon-version latest --resolve-conflicts PRESERVE`,
  )
  expect({ code, err }).toMatchObject({ code: 0 })
  expect(err).toContain(`add-on ${NAME}: ${OLDER} → ${NEWEST}`)
  here.sandbox.aws.faults.replace([])
  expect((await run(`update ${at}`)).err).toContain('nothing was done')
  const back = await run(`update ${at} --addon-version ${OLDER} -o json`)
  expect(JSON.parse(back.out)).toMatchObject({ addon: { addonVersion: OLDER, status: 'ACTIVE' } })
})

step('all add-ons are listed with what newer versions there are', async () => {
  await here.eks.send(new CreateAddonCommand({ clusterName: CLUSTER, addonName: 'coredns' }))
  const { out } = await run(`list --cluster ${CLUSTER}`)
  const lines = out.split('\n').map((line) => line.replaceAll(/ {2,}/g, ' | '))
  expect(lines).toContain(`${NAME} | ${OLDER} | ACTIVE | ${NEWEST} | ${NEWEST} | -`)
  expect(lines.some((line) => line.startsWith('coredns | v1.'))).toBe(true)
})

step('disabling lists who would lose access and wants --force', async () => {
  const trust = podsTrust()
  const { Role } = await here.iam.send(
    new CreateRoleCommand({ RoleName: 'orders', AssumeRolePolicyDocument: trust }),
  )
  for (const serviceAccount of ['orders', 'stock']) {
    const input = { clusterName: CLUSTER, namespace: 'shop', serviceAccount }
    await here.eks.send(
      new CreatePodIdentityAssociationCommand({ ...input, roleArn: Role?.Arn ?? '' }),
    )
  }
  const before = here.writes.length
  const refused = await run(`disable ${at}`)
  expect(refused.code).toBe(1)
  expect(refused.err).toContain('2 service account(s) of cluster blue')
  expect(refused.err).toContain('would lose them: shop/orders, shop/stock')
  expect(here.writes.slice(before)).toEqual([])
  expect((await run(`status ${at}`)).out).toContain('2 with an association')
  const { code, err, out } = await run(`disable ${at} --force`)
  expect(code).toBe(0)
  expect(out).toBe(`add-on ${NAME} deleted\n`)
  expect(err).toContain(`add-on ${NAME} is DELETING`)
  expect(err).toContain('2 service account(s) get no new credentials any more')
  expect(await status()).toMatchObject({ status: 'not enabled' })
})

step('a wait that is too short says that EKS goes on', async () => {
  const { code, err } = await run(`enable ${at} --timeout 100ms`)
  expect(code).toBe(1)
  expect(err).toContain('is not there yet after 0 s; EKS goes on')
  const again = await run(`enable ${at}`)
  expect(again.code).toBe(0)
})

test.each([
  ['enable vpc-cni --cluster c', 'Allowed choices are eks-pod-identity-agent'],
  [`enable ${at} --timeout soon`, 'duration "soon" is not one'],
  [`status ${NAME} --cluster nobody`, 'ResourceNotFound'],
])(
  '%s',
  async (line, message) => {
    const { code, err } = await run(line)
    expect(code).toBe(1)
    expect(err).toContain(message)
  },
  STEP_MS,
)
