/** `podrole import` as typed: what was left behind by hand, in three forms, each read by its own reader. */
import { CreatePodIdentityAssociationCommand } from '@aws-sdk/client-eks'
import {
  CreateRoleCommand,
  GetRoleCommand,
  ListAttachedRolePoliciesCommand,
  ListRolePoliciesCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { ackFaults, ackResources } from '../support/ack-fields.ts'
import { type EksSandbox, startEksSandbox } from '../support/eks-sandbox.ts'
import { makeMess, MESS_ACCOUNT } from '../support/identity-mess.ts'
import { findPython, pythonEnvironment } from '../support/python.ts'
import { podsTrust } from '../support/shop-journey.ts'
import { findTerraform } from '../support/terraform.ts'
import { lacks } from '../support/tools.ts'

const STEP_MS = 300_000
const NOTHING = 'Nothing to do: everything is as the files say.\n'
const CLUSTER = 'shop'
const ROLES = `arn:aws:iam::${MESS_ACCOUNT}:role`

const python = await findPython()
const isWithoutPython = lacks('Terraform read by python-hcl2', python.missing)
const terraform = findTerraform()
const isWithoutTerraform = lacks('terraform plan of an import', terraform.missing)

let here: EksSandbox
beforeAll(async () => {
  here = await startEksSandbox({
    accountId: MESS_ACCOUNT,
    clusterName: CLUSTER,
    region: 'eu-central-1',
  })
  await makeMess(here, CLUSTER)
}, STEP_MS)
afterAll(() => here.stop(), STEP_MS)

/** Standard output; the command is to succeed. */
async function imported(
  as: string,
  more = '',
): Promise<{ readonly out: string; readonly err: string }> {
  const { code, err, out } = await here.desk.run(
    `import --as ${as} --cluster ${CLUSTER}${more === '' ? '' : ` ${more}`}`,
  )
  if (code !== 0) expect(err).toBe('')
  return { out, err }
}

async function plansToNothing(yaml: string): Promise<void> {
  here.desk.write('shop.yaml', yaml)
  const planned = await here.desk.run('plan -f shop.yaml --detailed-exitcode')
  expect(planned).toMatchObject({ code: 0, out: NOTHING })
}

interface Config {
  readonly iam: {
    readonly withOIDC?: boolean
    readonly serviceAccounts?: readonly (Readonly<Record<string, unknown>> & {
      readonly metadata: Readonly<Record<string, unknown>> & { readonly name: string }
    })[]
    readonly podIdentityAssociations?: readonly Readonly<Record<string, unknown>>[]
  }
  readonly accessConfig?: { readonly accessEntries?: readonly object[] }
  readonly addons?: readonly { readonly name: string }[]
}
const configOf = (yaml: string): Config => parse(yaml) as Config
const accountsOf = ({ iam }: Config): readonly string[] =>
  (iam.serviceAccounts ?? []).map(({ metadata }) => metadata.name)

describe('as YAML', () => {
  test(
    'a mess made by hand plans to nothing, and reading it changes nothing',
    async () => {
      const before = here.writes.length
      const { err, out } = await imported('yaml')
      await plansToNothing(out)
      expect(here.writes.slice(before)).toEqual([])
      const config = configOf(out)
      expect(accountsOf(config)).toEqual(['reports', 'web', 'web.api'])
      expect(config.iam.podIdentityAssociations?.length).toBe(3)
      expect(config.accessConfig?.accessEntries?.length).toBe(3)
      expect(config.addons?.map(({ name }) => name)).toContain('vpc-cni')
      // Whom it cannot say is told twice: in the file and beside it.
      for (const name of ['shop/lost', 'shop/far']) {
        expect(out).toContain(`# Left out: iam.serviceAccounts ${name}: `)
        expect(err).toContain(`podrole: left out: iam.serviceAccounts ${name}: `)
      }
      expect(out.match(/^# Left out/gm)?.length).toBe(2)
      // Nothing of it is podrole's.
      expect(out).not.toMatch(/roleName|permissionPolic|attachPolic|createServiceAccount/)
    },
    STEP_MS,
  )

  test(
    'of a namespace or a service account alone it says that alone',
    async () => {
      const ops = await imported('yaml', '--namespace ops')
      await plansToNothing(ops.out)
      expect(configOf(ops.out)).toMatchObject({
        iam: { podIdentityAssociations: [{ namespace: 'ops', serviceAccountName: 'cart' }] },
      })
      expect(ops.out).not.toMatch(/addons|accessConfig|serviceAccounts|withOIDC/)
      const web = await imported('yaml', '--service-account shop/web --service-account shop/orders')
      await plansToNothing(web.out)
      expect(accountsOf(configOf(web.out))).toEqual(['web'])
      expect(configOf(web.out).iam.podIdentityAssociations?.length).toBe(1)
    },
    STEP_MS,
  )

  test(
    'what is not there or cannot be asked for is told',
    async () => {
      const none = await here.desk.run('import --as yaml --cluster green')
      expect(none).toMatchObject({ code: 1, out: '' })
      expect(none.err).toContain('there is no cluster green')
      const form = await here.desk.run('import --as hcl --cluster shop')
      expect(form).toMatchObject({ code: 1, out: '' })
      const bad = await here.desk.run('import --as yaml --cluster shop --service-account web')
      expect(bad).toMatchObject({ code: 1, out: '' })
    },
    STEP_MS,
  )
})

interface Blocks {
  readonly resources: readonly { readonly type: string; readonly name: string }[]
  readonly imports: readonly { readonly to: string; readonly id: string }[]
  readonly others: readonly string[]
}

async function blocksOf(hcl: string): Promise<Blocks> {
  const program = join(import.meta.dir, '..', 'clients', 'terraform_blocks.py')
  const child = Bun.spawn(['python', program], {
    stdin: new Blob([hcl]),
    stdout: 'pipe',
    stderr: 'pipe',
    env: pythonEnvironment(python.bin, here.desk.folder),
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  if ((await child.exited) !== 0) expect(err).toBe('')
  return JSON.parse(out) as Blocks
}

const COUNTS = {
  aws_eks_access_entry: 3,
  aws_eks_access_policy_association: 3,
  aws_eks_addon: 4,
  aws_eks_pod_identity_association: 3,
  aws_iam_openid_connect_provider: 1,
  aws_iam_policy: 2,
  aws_iam_role: 6,
  aws_iam_role_policy: 3,
  aws_iam_role_policy_attachment: 4,
}
const TOTAL = Object.values(COUNTS).reduce((sum, one) => sum + one, 0)

describe('as Terraform', () => {
  test.skipIf(isWithoutPython)(
    'python-hcl2 reads one resource and one import block for each object',
    async () => {
      const { out } = await imported('terraform')
      const { imports, others, resources } = await blocksOf(out)
      const counts = Object.groupBy(resources, ({ type }) => type)
      const found = Object.entries(counts).map(([type, list]) => [type, list?.length] as const)
      expect(Object.fromEntries(found)).toEqual(COUNTS)
      const names = resources.map(({ name, type }) => `${type}.${name}`)
      expect(imports.map(({ to }) => to)).toEqual(names)
      expect(new Set(names).size).toBe(TOTAL)
      expect(new Set(imports.map(({ id, to }) => `${to.split('.')[0]} ${id}`)).size).toBe(TOTAL)
      expect(others).toEqual([])
      // The same again is the same.
      expect((await imported('terraform')).out).toBe(out)
    },
    STEP_MS,
  )

  test.skipIf(isWithoutTerraform)(
    'Terraform imports all of it, and has nothing to add, change or destroy',
    async () => {
      const folder = join(here.desk.folder, 'terraform')
      mkdirSync(folder)
      writeFileSync(join(folder, 'shop.tf'), (await imported('terraform')).out)
      writeFileSync(join(folder, 'provider.tf'), 'provider "aws" {\n  region = "eu-central-1"\n}\n')
      const configuration = here.desk.write('terraform.rc', terraform.configuration ?? '')
      const before = here.writes.length
      const script = `cd ${folder}
export CHECKPOINT_DISABLE=1 TF_CLI_ARGS=-no-color TF_CLI_CONFIG_FILE=${configuration} TF_IN_AUTOMATION=1
terraform init -input=false >init.txt
terraform fmt -check -diff
terraform plan -input=false
terraform apply -auto-approve -input=false
terraform plan -input=false -detailed-exitcode`
      const { code, err, out } = await here.desk.shell(script)
      if (code !== 0) expect(`${out.slice(-4000)}\n${err}`.slice(-8000)).toBe('')
      expect(out.match(/^(?:Plan:|Apply complete|No changes).*/gm)).toEqual([
        `Plan: ${TOTAL} to import, 0 to add, 0 to change, 0 to destroy.`,
        `Plan: ${TOTAL} to import, 0 to add, 0 to change, 0 to destroy.`,
        `Apply complete! Resources: ${TOTAL} imported, 0 added, 0 changed, 0 destroyed.`,
        'No changes. Your infrastructure matches the configuration.',
      ])
      expect(here.writes.slice(before)).toEqual([])
    },
    STEP_MS,
  )
})

/** A role of IAM by ACK's names, trust policy and all. */
async function asItIs({ name }: Readonly<Record<string, unknown>>): Promise<object> {
  const RoleName = String(name)
  const { Role: role } = await here.iam.send(new GetRoleCommand({ RoleName }))
  const { AttachedPolicies = [] } = await here.iam.send(
    new ListAttachedRolePoliciesCommand({ RoleName }),
  )
  const { PolicyNames = [] } = await here.iam.send(new ListRolePoliciesCommand({ RoleName }))
  const policies = AttachedPolicies.map(({ PolicyArn = '' }) => PolicyArn).sort()
  const boundary = role?.PermissionsBoundary?.PermissionsBoundaryArn
  return {
    path: role?.Path,
    maxSessionDuration: role?.MaxSessionDuration,
    assumeRolePolicyDocument: decodeURIComponent(role?.AssumeRolePolicyDocument ?? ''),
    ...(boundary !== undefined && { permissionsBoundary: boundary }),
    ...(policies.length > 0 && { policies }),
    ...(PolicyNames.length > 0 && {
      inlinePolicies: Object.fromEntries(PolicyNames.map((one) => [one, expect.any(String)])),
    }),
  }
}
test(
  'a policy that may not be read stays named by its ARN, which is told',
  async () => {
    here.sandbox.aws.faults.replace(['iam:GetPolicyVersion=error:AccessDenied:403'])
    const { err, out } = await imported('terraform')
    const ack = await imported('ack')
    here.sandbox.aws.faults.replace([])
    const arn = `arn:aws:iam::${MESS_ACCOUNT}:policy/teams/Boundary`
    expect(err).toContain(`left out: policy ${arn}: it may not be read`)
    expect(out).not.toContain('resource "aws_iam_policy"')
    expect(out).toContain(`policy_arn = "${arn}"`)
    expect(ack.out).not.toContain('kind: Policy')
  },
  STEP_MS,
)

describe('as ACK', () => {
  test(
    "it has the fields of ACK's own types, and is adopted by what the controllers look for",
    async () => {
      const resources = ackResources((await imported('ack')).out)
      expect(resources.flatMap(ackFaults)).toEqual([])
      const kinds = Object.groupBy(resources, ({ kind }) => kind)
      const counts = Object.entries(kinds).map(([kind, list]) => [kind, list?.length] as const)
      expect(Object.fromEntries(counts)).toEqual({
        OpenIDConnectProvider: 1,
        Policy: 2,
        Role: 6,
        PodIdentityAssociation: 3,
        AccessEntry: 3,
        Addon: 4,
      })
      for (const { metadata } of resources) {
        expect(metadata.annotations['services.k8s.aws/adoption-policy']).toBe('adopt')
        expect(metadata.name).toMatch(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/)
      }
      const names = resources.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
      expect(new Set(names).size).toBe(names.length)
      for (const { spec } of kinds['Role'] ?? []) expect(spec).toMatchObject(await asItIs(spec))
    },
    STEP_MS,
  )
})

describe('what podrole made, and what is newer than some readers', () => {
  beforeAll(async () => {
    await here.iam.send(
      new CreateRoleCommand({ RoleName: 'far', AssumeRolePolicyDocument: podsTrust() }),
    )
    const at = { clusterName: CLUSTER, namespace: 'far', roleArn: `${ROLES}/far` }
    const targetRoleArn = 'arn:aws:iam::444455556666:role/target'
    const policy =
      '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    for (const more of [
      { serviceAccount: 'target', targetRoleArn },
      { serviceAccount: 'narrow', disableSessionTags: true, policy },
    ]) {
      await here.eks.send(new CreatePodIdentityAssociationCommand({ ...at, ...more }))
    }
    const made = [
      'association create by-command/one --cluster shop --permission-policy-arns arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess --create-service-account --tags team=a',
      `access-entry create ${ROLES}/far --cluster shop --kubernetes-groups readers`,
    ]
    for (const line of made) {
      const { code, err } = await here.desk.run(line)
      if (code !== 0) expect(err).toBe('')
    }
    here.desk.write('made.yaml', MADE)
    const applied = await here.desk.run('apply -f made.yaml --yes')
    if (applied.code !== 0) expect(applied).toEqual({ code: 0, out: '', err: '' })
  }, STEP_MS)

  test(
    'the YAML plans to nothing, and goes on as the maker of what a file made',
    async () => {
      const { out } = await imported('yaml')
      await plansToNothing(out)
      const { iam } = configOf(out)
      const of = (name: string): unknown =>
        iam.podIdentityAssociations?.find((one) => one['serviceAccountName'] === name)
      expect(of('target')).toMatchObject({ targetRoleARN: 'arn:aws:iam::444455556666:role/target' })
      expect(of('narrow')).toMatchObject({ disableSessionTags: true, policy: expect.any(String) })
      expect(of('one')).toMatchObject({ roleARN: expect.stringContaining('/podrole-shop-') })
      expect(of('made')).toEqual({
        namespace: 'by-file',
        serviceAccountName: 'made',
        createServiceAccount: true,
        wellKnownPolicies: { externalDNS: true },
        permissionPolicy: expect.anything(),
        permissionPolicyName: 'own',
        tags: { team: 'b' },
        trustConditions: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } },
      })
      expect(iam.serviceAccounts).toContainEqual({
        metadata: { name: 'irsa', namespace: 'by-file', labels: { app: 'irsa' } },
        attachPolicyARNs: ['arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'],
        subjectPattern: 'irsa*',
      })
    },
    STEP_MS,
  )

  test(
    'a part of a list that a file holds is refused to be the whole of it',
    async () => {
      const { err, out } = await imported('yaml', '--namespace ops')
      await plansToNothing(out)
      expect(err).toContain('left out: iam.podIdentityAssociations as a whole: ')
    },
    STEP_MS,
  )

  test.skipIf(isWithoutPython)(
    'Terraform says which provider it wants, ACK leaves out what it could not keep',
    async () => {
      const { out } = await imported('terraform', '--namespace far')
      expect(out).toContain('# Wants: AWS provider')
      for (const argument of ['target_role_arn', 'disable_session_tags', 'policy ']) {
        expect(out).toContain(`  ${argument}`)
      }
      expect((await blocksOf(out)).imports.length).toBe(3)
      const ack = await imported('ack', '--namespace far')
      expect(ackResources(ack.out).flatMap(ackFaults)).toEqual([])
      expect(ack.err).toContain('left out: association of far/narrow: ')
    },
    STEP_MS,
  )
})

const MADE = `apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: { name: shop, region: eu-central-1 }
iam:
  withOIDC: true
  serviceAccounts:
    - metadata: { name: irsa, namespace: by-file, labels: { app: irsa } }
      attachPolicyARNs: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]
      subjectPattern: irsa*
  podIdentityAssociations:
    - namespace: by-file
      serviceAccountName: made
      createServiceAccount: true
      wellKnownPolicies: { externalDNS: true }
      permissionPolicy:
        Version: "2012-10-17"
        Statement: [{ Effect: Allow, Action: s3:GetObject, Resource: "*" }]
      permissionPolicyName: own
      tags: { team: b }
      trustConditions: { IpAddress: { aws:SourceIp: 10.0.0.0/8 } }
`
