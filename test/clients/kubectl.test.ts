/**
 * An unmodified kubectl against the sandbox's cluster and node, with the commands of AWS set-up
 * documents as they are typed there, and the rest of what people type every day.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { startTestNode, type TestNode } from '../../src/sandbox/node/node.suite.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { lacks } from '../support/tools.ts'

const found = await findKubernetes()
const isSkipped = lacks('kubectl against the sandbox', found.missing)
const hasNoTerminal = lacks(
  'kubectl exec -t',
  Bun.which('script') === null ? { tool: 'script', get: 'apt-get install bsdutils' } : undefined,
)
const bin = found.folder ?? ''
const home = mkdtempSync(join(tmpdir(), 'podrole-kubectl-'))
let sandbox: TestNode

setDefaultTimeout(120_000)

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** A line as typed into a shell. */
async function typed(line: string): Promise<Outcome> {
  const child = Bun.spawn(['bash', '-o', 'pipefail', '-c', line], {
    cwd: home,
    env: {
      PATH: [bin, process.env['PATH']].join(delimiter),
      HOME: home,
      KUBECONFIG: join(home, 'kubeconfig'),
      NO_PROXY: '127.0.0.1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { code: await child.exited, out, err }
}

/** What a line prints, where it must succeed. */
async function output(line: string): Promise<string> {
  const { code, out, err } = await typed(line)
  expect({ line, code, err: code === 0 ? '' : err }).toEqual({ line, code: 0, err: '' })
  return out
}

/** A word of a shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

const POD = `apiVersion: v1
kind: Pod
metadata:
  name: app
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    command: [sh, -c, 'echo started; exec sleep 600']
`

const APPLIED = `apiVersion: v1
kind: ConfigMap
metadata: {name: applied}
data: {a: "1", b: "1"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: applied}
spec:
  replicas: 0
  selector: {matchLabels: {app: applied}}
  template:
    metadata: {labels: {app: applied}}
    spec: {containers: [{name: main, image: busybox, command: [sleep, "600"]}]}
`
const MOVED = `apiVersion: v1
kind: ConfigMap
metadata:
  name: moved
data:
  a: "1"
  b: "1"
`

beforeAll(async () => {
  if (isSkipped) return
  sandbox = await startTestNode()
  writeFileSync(join(home, 'kubeconfig'), sandbox.cluster.kubeconfig(), { mode: 0o600 })
  writeFileSync(join(home, 'pod.yaml'), POD)
})

afterAll(async () => {
  await sandbox?.stop()
  rmSync(home, { recursive: true, force: true })
})

describe.skipIf(isSkipped)('kubectl', () => {
  test('is of the version that the cluster says it is', async () => {
    const { clientVersion, serverVersion } = JSON.parse(await output('kubectl version -o json'))
    expect(serverVersion.minor).toBe(clientVersion.minor)
  })

  test('does what set-up documents type', async () => {
    const lines: readonly (readonly [string, string])[] = [
      ['kubectl create namespace runwhen-local', 'namespace/runwhen-local created\n'],
      [
        'kubectl create serviceaccount runwhen-local -n runwhen-local',
        'serviceaccount/runwhen-local created\n',
      ],
      [
        'kubectl annotate serviceaccount runwhen-local -n runwhen-local eks.amazonaws.com/role-arn=arn:aws:iam::111122223333:role/runwhen-local-role',
        'serviceaccount/runwhen-local annotated\n',
      ],
      [
        'echo a: b > workspaceInfo.yaml; kubectl create configmap workspaceinfo -n runwhen-local --from-file=workspaceInfo.yaml',
        'configmap/workspaceinfo created\n',
      ],
    ]
    for (const [line, says] of lines) expect(await output(line)).toBe(says)
    const apply =
      'echo a: c > workspaceInfo.yaml; kubectl create configmap workspaceinfo -n runwhen-local --from-file=workspaceInfo.yaml --dry-run=client -o yaml | kubectl apply -f -'
    expect(await output(apply)).toBe('configmap/workspaceinfo configured\n')
    expect(await output(apply)).toBe('configmap/workspaceinfo unchanged\n')
    expect(
      await output(
        "kubectl get sa runwhen-local -n runwhen-local -o jsonpath='{.metadata.annotations}'",
      ),
    ).toBe('{"eks.amazonaws.com/role-arn":"arn:aws:iam::111122223333:role/runwhen-local-role"}')
    expect(await output('kubectl get nodes')).toMatch(/^NAME\s+STATUS\s+ROLES\s+AGE\s+VERSION\n/)
  })

  test('kubectl run with a service account in its working form', async () => {
    const run = `kubectl run debug --restart=Never -n runwhen-local --overrides='{"spec":{"serviceAccountName":"runwhen-local"}}' --image=busybox`
    const command = `-- sh -c 'echo identity'`
    await output(`${run} ${command}`)
    await output(`kubectl wait -n runwhen-local --for=jsonpath={.status.phase}=Succeeded pod/debug`)
    expect(await output('kubectl logs -n runwhen-local debug')).toBe('identity\n')
    await output('kubectl delete pod -n runwhen-local debug')
    const { code, out } = await typed(`${run} -it --rm ${command}`)
    expect({ code, out }).toMatchObject({ code: 0 })
    expect(out).toContain('pod "debug" deleted')
  })

  test('create of each kind sends protobuf, which is understood', async () => {
    const made = [
      'secret generic s --from-literal=a=b',
      'deployment web --image=busybox --replicas=2 -- sleep 600',
      'role r --verb=get --resource=pods',
      'clusterrole cr --verb=get,list --resource=pods',
      'rolebinding rb --role=r --serviceaccount=default:default',
      'clusterrolebinding crb --clusterrole=cr --group=team',
      'job j --image=busybox -- true',
      "cronjob cj --image=busybox --schedule='0 0 1 1 *' -- true",
      'service clusterip sv --tcp=80:80',
      'poddisruptionbudget p --selector=nothing=here --min-available=1',
      'priorityclass pc --value=10',
      'ingress in --rule=a.example/*=sv:80',
    ]
    for (const what of made) {
      const { code, out, err } = await typed(`kubectl create ${what}`)
      expect({ what, code, out, err }).toMatchObject({ what, code: 0, err: '' })
      expect(out).toEndWith(' created\n')
    }
    expect((await typed('kubectl create namespace runwhen-local')).err).toContain('already exists')
  })

  test('create token gives a token for the audience', async () => {
    const line =
      'kubectl create token runwhen-local -n runwhen-local --audience sts.amazonaws.com --duration 20m'
    const [, claims = ''] = (await output(line)).trim().split('.')
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
      aud: ['sts.amazonaws.com'],
      sub: 'system:serviceaccount:runwhen-local:runwhen-local',
    })
  })

  test('rollouts, scale and wait', async () => {
    expect(await output('kubectl rollout status deployment/web --timeout=30s')).toContain(
      'successfully rolled out',
    )
    await output('kubectl rollout restart deployment/web')
    await output('kubectl rollout status deployment/web --timeout=30s')
    expect(await output('kubectl rollout history deployment/web')).toMatch(/^2 /m)
    await output('kubectl scale deployment/web --replicas=1')
    await output("kubectl wait --for=jsonpath='{.status.replicas}'=1 deployment/web --timeout=30s")
    await output('kubectl rollout undo deployment/web')
    await output('kubectl wait --for=condition=complete job/j --timeout=30s')
  })

  test('patches of each type, labels, and what validation refuses', async () => {
    await output('kubectl apply -f pod.yaml')
    await output('kubectl wait --for=condition=Ready pod/app --timeout=30s')
    await output(`kubectl patch pod app -p '{"metadata":{"labels":{"a":"1"}}}'`)
    await output(`kubectl patch pod app --type=merge -p '{"metadata":{"labels":{"b":"2"}}}'`)
    await output(
      `kubectl patch pod app --type=json -p '[{"op":"add","path":"/metadata/labels/c","value":"3"}]'`,
    )
    await output('kubectl label pod app d=4')
    expect(await output("kubectl get pod app -o jsonpath='{.metadata.labels}'")).toBe(
      '{"a":"1","b":"2","c":"3","d":"4"}',
    )
    expect(await output('kubectl get pods -l a=1 -o name')).toBe('pod/app\n')
    const misspelt =
      "printf '%s\\n' 'apiVersion: v1' 'kind: ConfigMap' 'metadata: {name: m}' 'dat: {}'"
    const refused = await typed(`${misspelt} | kubectl apply -f -`)
    expect(refused.code).toBe(1)
    expect(refused.err).toContain('unknown field "dat"')
    expect((await typed('kubectl diff -f pod.yaml')).out).not.toContain('+  image')
  })

  test('apply --server-side, with its conflicts', async () => {
    writeFileSync(join(home, 'applied.yaml'), APPLIED)
    const apply = 'kubectl apply --server-side -f applied.yaml'
    expect(await output(apply)).toBe(
      'configmap/applied serverside-applied\ndeployment.apps/applied serverside-applied\n',
    )
    expect(await output(`${apply} --dry-run=server`)).toContain(
      'serverside-applied (server dry run)',
    )
    expect((await typed('kubectl diff --server-side -f applied.yaml')).code).toBe(0)
    await output('kubectl scale deployment/applied --replicas=1')
    await output(`kubectl patch configmap applied -p '{"data":{"a":"9"}}'`)
    const refused = await typed(apply)
    expect(refused.code).toBe(1)
    expect(refused.err).toContain(
      'Apply failed with 1 conflict: conflict with "kubectl-patch" using v1: .data.a\n',
    )
    expect(refused.err).toContain(
      'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas\n',
    )
    expect(refused.err).toContain('Please review the fields above')
    expect(await output(`${apply} --force-conflicts`)).toContain('configmap/applied serverside')
    expect(await output("kubectl get configmap applied -o jsonpath='{.data.a}'")).toBe('1')
    expect(await output('kubectl get configmap applied -o yaml')).not.toContain('managedFields')
    expect(await output('kubectl get configmap applied -o yaml --show-managed-fields')).toMatch(
      /managedFields:\n {2}- apiVersion: v1\n/,
    )
  })

  test('apply --server-side of what was applied without it', async () => {
    writeFileSync(join(home, 'moved.yaml'), MOVED)
    await output('kubectl apply -f moved.yaml')
    expect(await output('kubectl apply --server-side -f moved.yaml')).toBe(
      'configmap/moved serverside-applied\n',
    )
    const managers = JSON.parse(
      await output("kubectl get configmap moved -o jsonpath='{.metadata.managedFields}'"),
    )
    // kubectl has made one manager of the two with a JSON patch.
    expect(managers).toMatchObject([
      { manager: 'kubectl', operation: 'Apply', fieldsV1: { 'f:data': { 'f:a': {}, 'f:b': {} } } },
      { manager: 'kubectl-last-applied', operation: 'Apply' },
    ])
    writeFileSync(join(home, 'moved.yaml'), MOVED.replace('  a: "1"\n  b: "1"', '  a: "2"'))
    await output('kubectl apply --server-side -f moved.yaml')
    expect(await output("kubectl get configmap moved -o jsonpath='{.data}'")).toBe('{"a":"2"}')
    const other = 'kubectl apply --server-side --field-manager=other -f moved.yaml'
    expect(await output(other)).toBe('configmap/moved serverside-applied\n')
    expect(await output('kubectl apply -f moved.yaml')).toBe('configmap/moved configured\n')
  })

  test('logs, exec with its streams and exit code, cp both ways', async () => {
    expect(await output('kubectl logs app')).toBe('started\n')
    expect(await typed("kubectl exec app -- sh -c 'echo out; echo err >&2; exit 3'")).toEqual({
      code: 3,
      out: 'out\n',
      err: 'err\ncommand terminated with exit code 3\n',
    })
    expect(await output('printf typed | kubectl exec -i app -- cat')).toBe('typed')
    expect((await typed('kubectl exec nobody -- true')).err).toContain('"nobody" not found')
    const data = Buffer.alloc(5_000_000, 'podrole ')
    writeFileSync(join(home, 'there'), data)
    await output('kubectl cp there app:/tmp/there && kubectl cp app:/tmp/there back')
    expect(readFileSync(join(home, 'back')).equals(data)).toBe(true)
    const following = await typed('timeout 2 kubectl logs -f app')
    expect(following.out).toBe('started\n')
  })

  test.skipIf(hasNoTerminal)('exec -t has a terminal', async () => {
    const line = `script -qec "kubectl exec -it app -- sh -c 'test -t 0 && echo terminal; exit 4'" /dev/null`
    const { code, out } = await typed(line)
    expect(out).toContain('terminal\r\n')
    expect(code).toBe(4)
  })

  test('run -i types into the container, and --rm deletes it', async () => {
    const line = `printf 'one\\ntwo\\n' | kubectl run reader -i --rm --restart=Never --image=busybox -- sh -c 'while read -r x; do echo "got $x"; done; echo ended; exit 3'`
    const { code, out, err } = await typed(line)
    expect(out).toContain('got one\ngot two\nended\n')
    expect(out).toContain('pod "reader" deleted')
    expect(err).toContain('terminated (Error)')
    expect(code).toBe(3)
  })

  test('run --attach shows what the container writes, with its exit code', async () => {
    const line = `kubectl run shown --attach --rm --restart=Never --image=busybox -- sh -c 'sleep 2; echo shown; echo fault >&2; exit 4'`
    const { code, out, err } = await typed(line)
    expect(out).toContain('shown\n')
    expect(err).toContain('fault\n')
    expect(code).toBe(4)
  })

  test('attach joins a container again and again', async () => {
    const script = `while read -r x; do echo "got $x"; done`
    await output(
      `kubectl run kept --image=busybox --overrides='{"spec":{"containers":[{"name":"kept","image":"busybox","stdin":true,"command":["sh","-c",${JSON.stringify(script)}]}]}}'`,
    )
    await output('kubectl wait --for=condition=Ready pod/kept --timeout=30s')
    for (const word of ['one', 'two']) {
      const { out } = await typed(`(echo ${word}; sleep 1) | timeout 3 kubectl attach -i kept`)
      expect(out).toContain(`got ${word}\n`)
    }
    expect(await output('kubectl logs kept')).toBe('got one\ngot two\n')
    await output('kubectl delete pod kept --now')
  })

  test.skipIf(hasNoTerminal)('run -it has a terminal', async () => {
    const command = `sh -c 'read -r x; test -t 0 && test -t 1 && echo "terminal $x"; exit 5'`
    const run = `kubectl run screen -it --rm --restart=Never --image=busybox -- ${command}`
    const { code, out } = await typed(`(sleep 3; echo hi) | script -qec ${quoted(run)} /dev/null`)
    expect(out).toContain('terminal hi\r\n')
    expect(code).toBe(5)
  })

  test('describe, explain, discovery, can-i', async () => {
    expect(await output('kubectl describe pod app')).toMatch(/Started container main/)
    expect(await output('kubectl describe node node-1')).toContain('Conditions:')
    expect(await output('kubectl explain pod.spec.containers')).toContain('env\t<[]EnvVar>')
    expect(await output('kubectl explain deployment')).toContain('spec\t<DeploymentSpec>')
    expect(await output('kubectl api-resources -o name')).toContain('deployments.apps\n')
    expect(await output('kubectl auth can-i create pods')).toBe('yes\n')
    const no = await typed('kubectl auth can-i create pods --as system:serviceaccount:default:x')
    expect([no.code, no.out]).toEqual([1, 'no\n'])
    expect(await output('kubectl auth whoami')).toContain('kubernetes-admin')
    for (const kinds of [
      'all',
      'sa,cm,secrets',
      'deploy,rs,pods -o wide',
      'events',
      'pods -o yaml',
    ])
      expect(await output(`kubectl get ${kinds}`)).not.toBe('')
  })

  test('deletes, and waits for what it deletes', async () => {
    expect(await output('kubectl delete pod app --wait')).toContain('deleted')
    expect((await typed('kubectl get pod app')).err).toContain('NotFound')
    await output('kubectl delete deployment/web job/j cronjob/cj')
    await output('kubectl delete namespace runwhen-local --wait')
    expect((await typed('kubectl get namespace runwhen-local')).code).toBe(1)
  })
})
