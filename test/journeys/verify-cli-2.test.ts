/** `podrole verify` against pods that run a real AWS CLI 2; those of verify.test.ts run version 1. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { isNewEnough } from '../../src/doctor/facts/sdk.ts'
import { inPodProgram } from '../../src/doctor/verify/pod.ts'
import { readSaid } from '../../src/doctor/verify/said.ts'
import type { Verification } from '../../src/doctor/verify/verdict.ts'
import { NAMESPACES, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import { awsCli2Image, findAwsCli2, writeEndpoint } from '../support/aws-cli-2.ts'
import {
  ACCOUNT,
  REGION,
  ROLES,
  type ShopJourney,
  startShopJourney,
} from '../support/shop-journey.ts'
import { lacks } from '../support/tools.ts'

const cli = await findAwsCli2()
const isSkipped = lacks('podrole verify with the AWS CLI 2', cli.missing)
const IMAGE = 'podrole/aws-cli-2'
const data = mkdtempSync(join(tmpdir(), 'podrole-aws-data-'))

setDefaultTimeout(180_000)

let shop: ShopJourney

beforeAll(async () => {
  if (isSkipped) return
  chmodSync(data, 0o755)
  shop = await startShopJourney({ [IMAGE]: awsCli2Image(cli.program ?? '', data) })
  writeEndpoint(data, shop.wired.sandbox.endpoint, REGION)
  await shop.eks.client.create(NAMESPACES, { metadata: { name: 'shop' } })
  await podrole(`issuer provider create --issuer ${shop.eks.cluster.issuer}`)
  await podrole(
    'role create --name irsa --path /team/ --service-account shop/irsa --cluster shop-eks --method irsa --policy-file orders.json --annotate --create-service-account',
  )
  await podrole(
    'association create shop/orders --cluster shop-eks --permission-policy orders.json --create-service-account',
  )
  await makeServiceAccount('plain')
  await makeServiceAccount('refused', { 'eks.amazonaws.com/role-arn': `${ROLES}/team/irsa` })
})
afterAll(async () => {
  rmSync(data, { recursive: true, force: true })
  if (!isSkipped) await shop.stop()
})

async function podrole(line: string): Promise<void> {
  const { code, err } = await shop.desk.run(line)
  expect({ line, code, err: code === 0 ? '' : err }).toEqual({ line, code: 0, err: '' })
}

const makeServiceAccount = (
  name: string,
  annotations: Record<string, string> = {},
): Promise<unknown> =>
  shop.eks.client.create(SERVICE_ACCOUNTS, { metadata: { namespace: 'shop', name, annotations } })

async function verify(words: string): Promise<{ code: number; found: Partial<Verification> }> {
  const { code, err, out } = await shop.desk.run(`verify ${words} --image ${IMAGE} -o json`)
  expect(err).toBe('')
  return { code, found: JSON.parse(out) as Verification }
}

describe.skipIf(isSkipped)('the AWS CLI 2 in the pod', () => {
  test('IRSA, with checks', async () => {
    shop.desk.write(
      'checks.yaml',
      `checks:
  - { name: is somebody, command: [sts, get-caller-identity], expect: { output: ':assumed-role/irsa/' } }
  - { name: may not be others, command: [sts, assume-role, --role-arn, '${ROLES}/other', --role-session-name, someone], expect: access-denied }
  - { name: fails, command: [sts, assume-role, --role-arn, '${ROLES}/other', --role-session-name, someone], expect: success }
`,
    )
    expect(await verify('shop/irsa --checks checks.yaml')).toMatchObject({
      code: 1,
      found: {
        provider: 'web-identity',
        identity: expect.stringMatching(new RegExp(`^arn:aws:sts::${ACCOUNT}:assumed-role/irsa/`)),
        expectedRole: { arn: `${ROLES}/team/irsa` },
        checks: [
          { name: 'is somebody', outcome: 'as-expected', did: 'it printed that' },
          { name: 'may not be others', outcome: 'as-expected' },
          { name: 'fails', outcome: 'failed', did: expect.stringContaining('(AccessDenied)') },
        ],
        findings: [{ code: 'check-failed' }],
      },
    })
  })

  test('Pod Identity, or that this version is older than it', async () => {
    const version = cli.version ?? ''
    const words = 'shop/orders --cluster shop-eks'
    if (isNewEnough({ name: 'aws-cli-v2', version }, 'pod-identity')) {
      const found = { provider: 'container', verdict: 'ok', findings: [] }
      expect(await verify(words)).toMatchObject({ code: 0, found })
      return
    }
    expect(await verify(words)).toMatchObject({
      code: 1,
      found: { verdict: 'broken', findings: [{ code: 'cli-too-old' }] },
    })
    expect((await verify(words)).found.findings?.[0]?.sentence).toStartWith(
      `the AWS CLI ${version} of the image does not know Pod Identity, 2.15.0 is the first that does: `,
    )
  })

  test('a trust policy that refuses', async () => {
    const { code, found } = await verify('shop/refused')
    expect({ code, codes: found.findings?.map((one) => one.code) }).toEqual({
      code: 1,
      codes: ['credentials-refused'],
    })
    expect(found.findings?.[0]?.sentence).toMatch(
      /^web identity \(IRSA\) gave no identity: An error occurred \(AccessDenied\) when calling the AssumeRoleWithWebIdentity/,
    )
  })

  test('nobody', async () => {
    expect(await verify('shop/plain')).toMatchObject({
      code: 1,
      found: { provider: 'none', findings: [{ code: 'no-credentials' }] },
    })
  })
})

test.skipIf(isSkipped)('keys in the environment, beside the pods', async () => {
  const { sandbox } = shop.wired
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const { environment } = awsCli2Image(cli.program ?? '', data)
  const child = Bun.spawn(['sh', '-c', inPodProgram({ checks: [] })], {
    env: {
      ...environment,
      PATH: `${dirname(cli.program ?? '')}:/usr/bin:/bin`,
      HOME: shop.desk.folder,
      AWS_ENDPOINT_URL: sandbox.endpoint,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey.reveal(),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  expect(readSaid(await child.stdout.text(), 0)).toMatchObject({
    kind: 'complete',
    said: { variables: ['AWS_ACCESS_KEY_ID'], provider: 'environment' },
  })
})
