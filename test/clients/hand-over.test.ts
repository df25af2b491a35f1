/** Steps in somebody else's hands: each input is one that the AWS CLI takes, and kubectl does its own. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { kubePort } from '../../src/manage/apply/kube-port.ts'
import { judge } from '../../src/manage/apply/slots.ts'
import { commandOf } from '../../src/manage/hand-over/commands.ts'
import { openHandOverFolder } from '../../src/manage/hand-over/folder.ts'
import { actionId } from '../../src/manage/plan/action-id.ts'
import type { KubernetesAction, PlanAction } from '../../src/manage/plan/plan.ts'
import { CLUSTER, type EksSandbox, REGION, startEksSandbox } from '../support/eks-sandbox.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { findPython, pythonEnvironment } from '../support/python.ts'
import { runCommand } from '../support/run-command.ts'
import { lacks } from '../support/tools.ts'

const python = await findPython()
const kubernetes = await findKubernetes()
const STEP_MS = 240_000
const PLACE = { region: REGION, withContexts: false }
const folder = mkdtempSync(join(tmpdir(), 'podrole-hand-over-'))
afterAll(() => rmSync(folder, { recursive: true }))

const ACCOUNT = 'arn:aws:iam::111122223333'
const cluster = `arn:aws:eks:${REGION}:111122223333:cluster/${CLUSTER}`
const policy = JSON.stringify({ Version: '2012-10-17', Statement: [] })
const provider = { arn: `${ACCOUNT}:oidc-provider/i.example`, clientIds: ['a'], tags: { a: 'b' } }
const role = { name: 'r', arn: `${ACCOUNT}:role/team/r`, trustPolicy: policy, tags: { a: '' } }
const boundaryArn = `${ACCOUNT}:policy/Edge`
const serviceAccount = { namespace: 'shop', name: 'orders' }
const settings = { roleArn: role.arn, targetRoleArn: role.arn, disableSessionTags: true }
const tags = { a: 'b' }
const addonSettings = (version: string, roleArn = role.arn): object => ({
  version,
  associations: [{ serviceAccount: 'sa', roleArn }],
})
const principalArn = role.arn
const access = { policyArn: 'arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy' }

/** One of each kind that AWS is asked for, with every field. */
const ACTIONS = [
  { do: 'create-provider', provider },
  { do: 'delete-provider', provider },
  { do: 'add-client-id', arn: provider.arn, clientId: 'b' },
  { do: 'remove-client-id', arn: provider.arn, clientId: 'b' },
  { do: 'create-role', role: { ...role, boundaryArn } },
  { do: 'delete-role', role },
  { do: 'put-trust', role: 'r', phase: 'admit', before: policy, after: policy },
  { do: 'attach-policy', role: 'r', policyArn: boundaryArn },
  { do: 'detach-policy', role: 'r', policyArn: boundaryArn },
  { do: 'put-inline-policy', role: 'r', name: 'p', after: policy },
  { do: 'delete-inline-policy', role: 'r', name: 'p', before: policy },
  { do: 'put-boundary', role: 'r', after: boundaryArn },
  { do: 'delete-boundary', role: 'r', before: boundaryArn },
  { do: 'tag-role', role: 'r', before: {}, after: tags },
  { do: 'untag-role', role: 'r', before: tags },
  { do: 'update-authentication-mode', cluster, before: 'CONFIG_MAP', after: 'API' },
  {
    do: 'create-addon',
    cluster,
    addon: {
      name: 'vpc-cni',
      settings: { ...addonSettings('v1'), serviceAccountRoleArn: role.arn },
      tags,
      namespace: 'kube-system',
      configurationValues: '{}',
      resolveConflicts: 'overwrite',
    },
  },
  { do: 'delete-addon', cluster, addon: { name: 'vpc-cni', settings: addonSettings('v1'), tags } },
  {
    do: 'update-addon',
    cluster,
    name: 'vpc-cni',
    before: addonSettings('v1', boundaryArn),
    after: { ...addonSettings('v2'), serviceAccountRoleArn: role.arn },
    resolveConflicts: 'preserve',
  },
  {
    do: 'create-association',
    cluster,
    association: { serviceAccount, settings: { ...settings, policy }, tags },
  },
  {
    do: 'delete-association',
    cluster,
    association: { serviceAccount, settings, tags, associationId: 'a-1' },
  },
  {
    do: 'update-association',
    cluster,
    serviceAccount,
    associationId: 'a-1',
    before: { ...settings, policy },
    after: { roleArn: role.arn, disableSessionTags: false },
  },
  {
    do: 'create-access-entry',
    cluster,
    entry: { principalArn, type: 'STANDARD', tags, groups: ['g'], username: 'u' },
  },
  { do: 'delete-access-entry', cluster, entry: { principalArn, type: 'STANDARD', tags } },
  {
    do: 'update-access-entry',
    cluster,
    principalArn,
    before: { groups: [], username: 'u' },
    after: { groups: ['g'], username: 'v' },
  },
  {
    do: 'associate-access-policy',
    cluster,
    principalArn,
    after: { ...access, namespaces: ['shop'] },
  },
  { do: 'disassociate-access-policy', cluster, principalArn, before: access },
  { do: 'tag-resource', cluster, arn: role.arn, what: 'it', before: {}, after: tags },
  { do: 'untag-resource', cluster, arn: role.arn, what: 'it', before: tags },
] as readonly PlanAction[]

describe.skipIf(lacks('inputs that the AWS CLI reads', python.missing))('the AWS CLI', () => {
  const inputs = openHandOverFolder(join(folder, 'aws'))
  test.each(ACTIONS.map((action) => [action.do, action] as const))(
    'takes the input of %s',
    async (_, action) => {
      const command = commandOf(action, PLACE)
      if (command === undefined) throw new Error('no command')
      const [name = ''] = inputs.add([{ id: actionId(action), command }])
      // The CLI checks the input by its own model, prints what could be answered, and asks nobody.
      const words = [...command.words(`${name}.json`), '--generate-cli-skeleton', 'output']
      const [, ...rest] = words
      const bin = join(python.bin ?? '', 'aws')
      const at = { cwd: inputs.path, env: pythonEnvironment(python.bin, folder) }
      const { stderr } = await runCommand([bin, ...rest], at)
      // Of what it makes up as an answer, its own model refuses a part.
      const faults = stderr
        .split('\n')
        .filter((text) => text !== '' && !/parameter Role\./.test(text))
      expect(faults.filter((text) => text !== 'Parameter validation failed:')).toEqual([])
    },
    STEP_MS,
  )

  test('would refuse a field that there is not', async () => {
    writeFileSync(join(inputs.path, 'wrong.json'), '{"RoleName":"r","Rolename":"r"}')
    const words = ['iam', 'delete-role', '--cli-input-json', 'file://wrong.json']
    const at = { cwd: inputs.path, env: pythonEnvironment(python.bin, folder) }
    const command = [join(python.bin ?? '', 'aws'), ...words, '--region', REGION]
    const { stderr } = await runCommand([...command, '--generate-cli-skeleton', 'output'], at)
    expect(stderr).toContain('Rolename')
  })
})

describe.skipIf(lacks('steps that kubectl does', kubernetes.missing))('kubectl', () => {
  let here: EksSandbox
  beforeAll(async () => {
    here = await startEksSandbox()
  }, STEP_MS)
  afterAll(() => here.stop(), STEP_MS)

  test(
    'does each step, and then it is seen as done',
    async () => {
      const labels = { team: 'tea' }
      const annotations = { 'eks.amazonaws.com/role-arn': role.arn, note: "it's $HOME" }
      const object = { serviceAccount, labels, annotations }
      const changed = { labels: { team: null }, annotations: { note: 'new' } }
      const rounds: readonly (readonly KubernetesAction[])[] = [
        [
          { do: 'create-namespace', cluster, namespace: 'shop' },
          { do: 'create-service-account', cluster, object },
        ],
        [
          {
            do: 'patch-service-account',
            cluster,
            serviceAccount,
            before: { labels, annotations: { note: annotations.note } },
            after: changed,
          },
        ],
        [{ do: 'delete-service-account', cluster, object }],
        [{ do: 'delete-namespace', cluster, namespace: 'shop' }],
      ]
      const hands = openHandOverFolder(join(here.desk.folder, 'for-ops'))
      const port = kubePort(here.cluster.client)
      for (const actions of rounds) {
        hands.add(
          actions.flatMap((action) => {
            const command = commandOf(action, PLACE)
            return command === undefined ? [] : [{ id: actionId(action), command }]
          }),
        )
        const ran = await here.desk.shell(
          `export PATH="${kubernetes.folder ?? ''}${delimiter}$PATH"; sh for-ops/run.sh`,
        )
        expect(ran).toMatchObject({ code: 0 })
        for (const action of actions) {
          const { found } = await port.look(action)
          expect([action.do, judge(action, found)]).toEqual([action.do, { kind: 'done' }])
        }
        if (actions.length === 1) continue
        const { metadata } = await here.cluster.client.get(
          { apiVersion: 'v1', kind: 'ServiceAccount', plural: 'serviceaccounts', namespaced: true },
          serviceAccount,
        )
        // `kubectl apply` would have left its own beside them.
        expect(metadata.annotations).toEqual(annotations)
      }
    },
    STEP_MS,
  )
})
