/**
 * Document 002's example and docs/operating/workload-identity.md as they are typed, beside
 * `podrole sandbox`: a cluster of one's own, whose pods get a role by an annotation.
 */
import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pod } from '../../src/kube/objects.ts'
import { walkPath } from '../support/eks-anywhere-walk.ts'
import { PODROLE } from '../support/issuer-journey.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { missingLoopback, onOwnLoopback } from '../support/own-loopback.ts'
import { pageBlocks } from '../support/page-commands.ts'
import { findPython, pythonEnvironment } from '../support/python.ts'
import { runCommand } from '../support/run-command.ts'
import { lacks } from '../support/tools.ts'

const PAGE = 'operating/workload-identity.md'
const CLUSTER = 'my-cluster'
const ISSUER = 'https://s3.us-east-1.amazonaws.com/my-issuer/c1'
const ROLE_ARN = 'arn:aws:iam::111122223333:role/mk8s-identity-example'
const FIVE_MINUTES_MS = 300_000

const kubernetes = await findKubernetes()
const python = await findPython()
const missingJq =
  Bun.which('jq') === null ? { tool: 'jq', get: 'apt-get install jq, or jqlang.org' } : undefined
const isSkipped = lacks(
  "document 002's walk",
  kubernetes.missing ?? python.missing ?? missingJq ?? missingLoopback(),
)
const folder = mkdtempSync(join(tmpdir(), 'podrole-workload-identity-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const BLOCKS = pageBlocks(PAGE, 'sh')
/** The page's block with these words; the packages lie where the image's own user may not enter. */
function block(words: string): string {
  const found = BLOCKS.filter((one) => one.includes(words))
  expect([words, found.length]).toEqual([words, 1])
  return (found[0] ?? '').replace(
    'terminationGracePeriodSeconds: 0',
    '$&\n  securityContext: { runAsUser: 0 }',
  )
}

/** What it prints goes into a file of that name. */
const into = (file: string, script: string): string => `{ ${script.trim()}\n} > ${file}\n`

/** A command that is to fail; what it says goes into a file. */
const refused = (file: string, command: string): string =>
  `if ${command} > ${file} 2>&1; then echo "not refused: ${file}"; exit 1; fi\n`

/** The webhook's second pod finds the port taken here: all pods have one loopback. */
const oneWebhook =
  'kubectl scale deployment podrole-webhook --namespace podrole-system --replicas=1\n'

/** How the example's pod would be admitted now. */
const admitted = (file: string): string => `
sed -n '/^---/,$p' identity-example.yaml | sed 's/name: identity-example/name: again/' > again.yaml
kubectl create -f again.yaml --dry-run=server -o json > ${file}
`

const identity = 'kubectl exec identity-example -- aws sts get-caller-identity'

/** An apply that waits for an image that nobody has, killed while it waits. */
const KILLED = `
podrole apply -f mk8s.yaml --yes --image nobody/has-it:1 > killed.txt 2>&1 &
apply=$!
until grep -q 'has-it' killed.txt; do sleep 0.2; done
kill -9 $apply
wait $apply || true
podrole addon status awsWorkloadIdentity --cluster ${CLUSTER} > half.txt
`

const script = (): string => {
  const enable = block('addon enable')
  const apply = block('podrole plan -f mk8s.yaml')
  const mk8s = apply.slice(0, apply.indexOf('podrole plan'))
  const without = block('without.yaml').replace('podrole apply', ': podrole apply')
  return [
    'set -eu',
    // The sandbox's own, which would do the work of the one that is installed here.
    'kubectl delete mutatingwebhookconfiguration podrole-webhook',
    block('export cluster_name'),
    refused('early.txt', 'podrole cluster get $cluster_name'),
    refused('no-bucket.txt', `podrole addon enable awsWorkloadIdentity --cluster ${CLUSTER}`),
    enable,
    oneWebhook,
    into('again.txt', `${enable.trim()} 2>&1`),
    oneWebhook,
    into('url.txt', block('oidcProviderUrl')),
    into('create-role.json', block('trustPolicy')),
    into('identity.txt', block('identity-example.yaml')),
    into('looked-after.txt', block('addon status')),
    admitted('mutated.json'),
    refused('in-use.txt', `podrole addon disable awsWorkloadIdentity --cluster ${CLUSTER}`),
    into('disabled.txt', `${block('addon disable').trim()} 2>&1`),
    admitted('not-mutated.json'),
    mk8s,
    KILLED,
    refused('unfinished.txt', 'podrole apply -f mk8s.yaml --yes'),
    into('resumed.txt', 'podrole apply -f mk8s.yaml --resume --image podrole:0.1.0 2>&1'),
    oneWebhook,
    into('applied.txt', apply),
    'kubectl delete pod identity-example',
    into(
      'second-identity.txt',
      `kubectl apply -f identity-example.yaml
kubectl wait pod/identity-example --for=condition=Ready --timeout=120s > /dev/null
${identity}`,
    ),
    without,
    refused('loses.txt', 'podrole apply -f without.yaml --yes'),
    into('undone.txt', block('without.yaml')),
    into('nothing.txt', 'podrole plan -f without.yaml'),
    admitted('undone.json'),
    'kubectl get all,secrets,configmaps --all-namespaces -o name > left.txt',
    'echo "== done"',
  ].join('\n')
}

test.skipIf(isSkipped)(
  'from nothing to a command in a pod with the role, and back',
  async () => {
    writeFileSync(join(folder, 'walk.sh'), script())
    const { exitCode, stdout, stderr } = await runCommand(
      onOwnLoopback([
        PODROLE,
        'sandbox',
        '--port',
        '0',
        '--network',
        'loopback',
        '--region',
        'us-east-1',
        '--self-managed-cluster',
        `${CLUSTER}=${ISSUER}`,
        '--',
        'sh',
        'walk.sh',
      ]),
      {
        cwd: folder,
        env: {
          ...pythonEnvironment(python.bin, folder),
          PATH: walkPath(kubernetes.folder ?? '', python.bin ?? ''),
        },
      },
    )
    const output = `${stdout}\n${stderr}`
    expect({ exitCode, last: exitCode === 0 ? '' : output.slice(-3000) }).toEqual({
      exitCode: 0,
      last: '',
    })
    expect(output).toContain('== done')
    expectWalked()
  },
  FIVE_MINUTES_MS,
)

const read = (name: string): string => readFileSync(join(folder, name), 'utf8')

function expectWalked(): void {
  expect(read('early.txt')).toContain(`addon enable awsWorkloadIdentity --cluster ${CLUSTER}`)
  expect(read('no-bucket.txt')).toContain('--create-bucket')
  expect(read('again.txt')).toContain('awsWorkloadIdentity is there as asked for: nothing was done')
  expectExample()
  expect(read('looked-after.txt')).toMatch(/^status +enabled$/m)
  expect(read('in-use.txt')).toContain('default/mk8s-identity-example')
  expect(read('disabled.txt')).toContain('go on until they are made anew')
  expect(environmentIn('mutated.json')).toContain('AWS_ROLE_ARN')
  expect(environmentIn('not-mutated.json')).toEqual([])
  expectApplied()
}

/** What document 002 has its reader do. */
function expectExample(): void {
  expect(read('url.txt')).toBe(`${ISSUER}\n`)
  const host = ISSUER.replace('https://', '')
  expect(JSON.parse(read('example-trust-policy.json'))).toEqual({
    Version: '2012-10-17',
    Statement: [
      {
        Sid: expect.any(String),
        Effect: 'Allow',
        Principal: { Federated: `arn:aws:iam::111122223333:oidc-provider/${host}` },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: {
          StringEquals: {
            [`${host}:aud`]: 'sts.amazonaws.com',
            [`${host}:sub`]: 'system:serviceaccount:<NAMESPACE>:<SERVICE_ACCOUNT>',
          },
        },
      },
    ],
  })
  expect(JSON.parse(read('create-role.json'))).toMatchObject({ Role: { Arn: ROLE_ARN } })
  for (const file of ['identity.txt', 'second-identity.txt']) {
    const text = read(file)
    expect(JSON.parse(text.slice(text.indexOf('{')))).toMatchObject({
      Arn: expect.stringMatching(
        /^arn:aws:sts::111122223333:assumed-role\/mk8s-identity-example\//,
      ),
    })
  }
}

/** By files, over a kill. */
function expectApplied(): void {
  expect(read('half.txt')).toMatch(/^status +half done: enabling$/m)
  expect(read('unfinished.txt')).toContain('did not come to its end')
  expect(read('resumed.txt')).toContain('1 step(s) done.')
  expect(read('applied.txt').match(/Nothing to do/g)?.length).toBe(2)
  expect(read('loses.txt')).toContain(
    'without it these service accounts lose their roles: default/mk8s-identity-example',
  )
  expect(read('undone.txt')).toContain('1 step(s) done.')
  expect(read('nothing.txt')).toContain('Nothing to do')
  expect(environmentIn('undone.json')).toEqual([])
  const left = read('left.txt').split('\n')
  expect(left.filter((name) => /webhook|workload-identity/.test(name))).toEqual(
    left.filter((name) => name.startsWith('pod/podrole-webhook')),
  )
}

const environmentIn = (file: string): readonly string[] =>
  ((JSON.parse(read(file)) as Pod).spec.containers[0]?.env ?? []).map(({ name }) => name)
