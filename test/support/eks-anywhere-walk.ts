/**
 * docs/operating/eks-anywhere.md from its first command to its last, as a script that is run beside
 * a self-managed cluster whose issuer is the page's; what it leaves in its folder is looked at then.
 */
import { expect } from 'bun:test'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Container, Pod } from '../../src/kube/objects.ts'
import { PODROLE } from './issuer-journey.ts'
import { pageBlocks } from './page-commands.ts'

const PAGE = 'operating/eks-anywhere.md'
export const CLUSTER = 'my-cluster'
export const REGION = 'us-east-1'
/** Of the page's cluster. */
export const ISSUER: string = `https://s3.${REGION}.amazonaws.com/my-issuer`
const ROLE_ARN = 'arn:aws:iam::111122223333:role/s3-reader'
const CONTENT = 'three boxes of tea'

/** Programs that the page's commands are. */
export const walkPath = (kubernetes: string, python: string): string =>
  [dirname(PODROLE), kubernetes, python, process.env['PATH'] ?? ''].join(':')

/** What makes the sandbox what the page finds: a bucket of data, and the cluster's keys in its Secret. */
const SETUP = `
aws s3 mb s3://my-data
printf '%s' '${CONTENT}' | aws s3 cp - s3://my-data/today.txt
podrole issuer keys --from-api-server -o pem > cluster.pub
podrole issuer keys --generate rsa-2048 --private-key-file never-leaves.key > /dev/null
kubectl create namespace eksa-system
kubectl create secret generic ${CLUSTER}-sa --namespace eksa-system --type cluster.x-k8s.io/secret \\
  --from-file=tls.crt=cluster.pub --from-file=tls.key=never-leaves.key
# The sandbox's own, which would do the work of the one that is installed here.
kubectl delete mutatingwebhookconfiguration podrole-webhook
`

/** boto3 in the pod's process: who it is, and what it reads. */
const BOTO3 = [
  'import boto3, json',
  'from botocore.exceptions import ClientError',
  'try:',
  '    arn = boto3.client("sts").get_caller_identity()["Arn"]',
  '    body = boto3.client("s3").get_object(Bucket="my-data", Key="today.txt")["Body"].read()',
  '    print(json.dumps({"arn": arn, "content": body.decode()}))',
  'except ClientError as error:',
  '    print(json.dumps({"error": error.response["Error"]["Code"]}))',
].join('\n')

/** The packages lie in a folder that a user of the machine may not enter; the image's own is root. */
const securityContext = { runAsUser: 0 }

const podOf = (name: string, serviceAccountName: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: {
      serviceAccountName,
      restartPolicy: 'Never',
      securityContext,
      containers: [{ name: 'main', image: 'python:3.13', command: ['python3', '-c', BOTO3] }],
    },
  })

/** Makes a pod, waits for its end, leaves it as NAME.json and what it said as NAME.log. */
const runPod = (name: string, serviceAccount: string): string => `
cat > ${name}.yaml <<'POD'
${podOf(name, serviceAccount)}
POD
kubectl apply -f ${name}.yaml
kubectl wait pod/${name} --for=jsonpath='{.status.phase}'=Succeeded --timeout=120s
kubectl get pod ${name} -o json > ${name}.json
kubectl logs ${name} > ${name}.log
`

/** A pod as it would be admitted now. */
const admitted = (name: string): string => `
cat > ${name}.yaml <<'POD'
${podOf(name, 'my-serviceaccount')}
POD
kubectl create -f ${name}.yaml --dry-run=server -o json > ${name}.json
`

const annotated = (name: string): string => `
kubectl create serviceaccount ${name}
kubectl annotate serviceaccount ${name} eks.amazonaws.com/role-arn=${ROLE_ARN}
`

/** What stands in place of a block of the page, found by words of it. */
export type Instead = readonly (readonly [words: string, script: string])[]

/** The whole walk; blocks of the page that a surrounding has no way to are replaced. */
export function walkScript(instead: Instead): string {
  const blocks = pageBlocks(PAGE, 'sh').map((block, at) => {
    const other = instead.find(([words]) => block.includes(words))?.[1]
    const text =
      other ?? block.replace('restartPolicy: Never', '$&\n  securityContext: { runAsUser: 0 }')
    const file = block.includes('apiserver-flags') ? `{ ${text.trim()}; } > snippet.yaml` : text
    const early = block.includes('webhook manifests') ? admitted('early') : ''
    return `echo "== block ${at + 1}"\n${early}${file}`
  })
  return [
    'set -eu',
    SETUP,
    ...blocks,
    'kubectl get pod reader -o json > reader.json',
    runPod('boto3', 'my-serviceaccount'),
    annotated('stranger'),
    runPod('refused', 'stranger'),
    annotated('batch-7'),
    runPod('pattern', 'batch-7'),
    'podrole role trust show s3-reader -o json > trust.json',
    'echo "== done"',
  ].join('\n')
}

/** What the walk has to have done. */
export function expectWalked(
  folder: string,
  { exitCode, output }: { readonly exitCode: number; readonly output: string },
): void {
  expect({ exitCode, last: exitCode === 0 ? '' : output.slice(-3000) }).toEqual({
    exitCode: 0,
    last: '',
  })
  expect(output).toContain('== done')
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  expect(read('snippet.yaml')).toBe(pageBlocks(PAGE, 'yaml')[0] ?? '')
  expect(output).toContain(`seen from outside at ${ISSUER}`)
  expectInjected(read)
  expect(output).toContain(CONTENT)
  const said = (name: string): unknown => JSON.parse(read(`${name}.log`))
  const session = expect.stringMatching(/^arn:aws:sts::111122223333:assumed-role\/s3-reader\//)
  expect(said('boto3')).toEqual({ arn: session, content: CONTENT })
  expect(said('pattern')).toEqual({ arn: session, content: CONTENT })
  expect(said('refused')).toEqual({ error: 'AccessDenied' })
  expect(JSON.parse(read('trust.json'))).toMatchObject({ findings: [] })
  for (const line of read('never-leaves.key').split('\n').slice(1, -2)) {
    expect(output).not.toContain(line)
  }
}

function expectInjected(read: (name: string) => string): void {
  const containerOf = (name: string): Container | undefined =>
    (JSON.parse(read(`${name}.json`)) as Pod).spec.containers[0]
  expect(containerOf('early')?.env ?? []).toEqual([])
  expect(tokenOf(read, 'early')).toBeUndefined()
  for (const name of ['reader', 'boto3']) {
    const env = containerOf(name)?.env?.map((entry) => [entry.name, entry.value])
    expect(env).toEqual([
      ['AWS_STS_REGIONAL_ENDPOINTS', 'regional'],
      ['AWS_DEFAULT_REGION', REGION],
      ['AWS_REGION', REGION],
      ['AWS_ROLE_ARN', ROLE_ARN],
      ['AWS_WEB_IDENTITY_TOKEN_FILE', '/var/run/secrets/eks.amazonaws.com/serviceaccount/token'],
    ])
  }
  // The pod's own annotation wins over its service account's.
  expect(tokenOf(read, 'reader')).toMatchObject({ expirationSeconds: 7200 })
  const audience = 'sts.amazonaws.com'
  expect(tokenOf(read, 'boto3')).toMatchObject({ audience, expirationSeconds: 43_200 })
}

interface TokenVolume {
  readonly name: string
  readonly projected?: { readonly sources: readonly { readonly serviceAccountToken?: object }[] }
}

function tokenOf(read: (name: string) => string, name: string): object | undefined {
  const { volumes = [] } = (JSON.parse(read(`${name}.json`)) as Pod).spec
  const own = (volumes as readonly TokenVolume[]).find((volume) => volume.name === 'aws-iam-token')
  return own?.projected?.sources[0]?.serviceAccountToken
}
