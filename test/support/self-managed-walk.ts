/** docs/operating/self-managed.md from its first command to its last, beside a sandbox's AWS. */
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { expect } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { runPod } from '../../src/cli/demo/pods.ts'
import type { WiredSandbox, WiredSandboxOptions } from '../../src/cli/parts/wired-sandbox.ts'
import type { RunningCluster } from '../../src/sandbox/sandbox.ts'
import { decodeToken } from '../../src/token/verify.ts'
import { passTime } from './issuer-folder.ts'
import { pageBlocks } from './page-commands.ts'
import { type Desk, openDesk } from './podrole.ts'
import { startQuietSandbox } from './quiet-sandbox.ts'

const PAGE = 'operating/self-managed.md'
const ACCOUNT = '111122223333'
const REGION = 'us-east-1'
export const CLUSTER = 'c1'
const ISSUER = `https://s3.${REGION}.amazonaws.com/my-issuer/c1`
const CONTENT = 'three boxes of tea'
const DAY_MS = 86_400_000
/** What retirement waits for after the longest token: STS's leeway, and the hour of the page. */
const RETIRE_MS = DAY_MS + 3_901_000

/** How the walk's API server learns of the issuer's keys. */
export interface ApiServer {
  readonly options: Pick<WiredSandboxOptions, 'clusterFactory' | 'signingEndpoints'>
  /** Before it starts, or after the folder, or what was printed for it, has changed. */
  tell(folder: string): Promise<void>
}

/** Runs the page's blocks in their order, and what a reader does between them. */
export async function walkSelfManaged(server: ApiServer): Promise<void> {
  const wired = await startQuietSandbox({
    accountIds: [ACCOUNT],
    region: REGION,
    clusters: [],
    ...server.options,
  })
  const desk = openDesk(wired, { profiles: { default: ACCOUNT }, issuers: [ISSUER] })
  try {
    await walk(wired, desk, server)
  } finally {
    await wired.stop()
    desk.remove()
  }
}

async function walk(wired: WiredSandbox, desk: Desk, server: ApiServer): Promise<void> {
  const page = new Blocks(desk)
  await putData(wired)
  await page.run('rotate init')
  expect(await page.run('signing-endpoint')).toBe(pageBlocks(PAGE, 'text')[0] ?? '')
  await page.run('kubeadm.yaml')
  await server.tell(desk.folder)
  const cluster = await wired.sandbox.startCluster({
    name: CLUSTER,
    region: REGION,
    kind: 'self-managed',
    issuer: ISSUER,
  })
  desk.write('kubeconfig', cluster.cluster.kubeconfig())
  await page.run('role create')
  const first = await expectReads(cluster)

  await page.run('rotate prepare')
  await server.tell(desk.folder)
  expect(await expectReads(cluster)).toBe(first)
  passTime(join(desk.folder, 'issuer'), DAY_MS)
  await page.run('rotate activate')
  await server.tell(desk.folder)
  const second = await untilAnother(cluster, first)
  expect(await expectReads(cluster)).toBe(second)
  passTime(join(desk.folder, 'issuer'), RETIRE_MS)
  await page.run('rotate retire')
  await server.tell(desk.folder)
  expect(await expectReads(cluster)).toBe(second)
  const { out } = await desk.shell('podrole issuer keys issuer')
  expect((JSON.parse(out) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)).toEqual([
    second,
  ])

  await page.run('--move accept')
  await page.run('> sign.yaml')
  const issuers = ['accept', 'sign'].map((step) => issuersIn(join(desk.folder, `${step}.yaml`)))
  const old = 'https://kubernetes.default.svc.cluster.local'
  expect(issuers).toEqual([
    [old, ISSUER],
    [ISSUER, old],
  ])
  await page.run('--for talos')
  const [, told, args] = parseAllDocuments(readFileSync(join(desk.folder, 'talos.yaml'), 'utf8'))
  expect(told?.toJS()).toMatchObject({
    issuer: { issuerURL: ISSUER },
    accepted: { issuers: [old] },
  })
  expect(args?.get('kind')).toBe('KubeAPIServerConfig')
  page.expectAllRun()
}

/** The page's blocks, each run once and in their order, with what its first one exports. */
class Blocks {
  readonly #desk: Desk
  readonly #blocks = pageBlocks(PAGE, 'sh')
  #next = 1

  constructor(desk: Desk) {
    this.#desk = desk
  }

  /** Runs the next block, which must hold these words; what it printed. */
  async run(words: string): Promise<string> {
    const block = this.#blocks[this.#next] ?? ''
    this.#next += 1
    expect(block).toContain(words)
    const config = 'export KUBECONFIG="$PWD/kubeconfig"'
    const { code, out, err } = await this.#desk.shell(`${this.#blocks[0]}${config}\n${block}`)
    expect({ block, code, err: code === 0 ? '' : err }).toEqual({ block, code: 0, err: '' })
    return out
  }

  expectAllRun(): void {
    expect(this.#next).toBe(this.#blocks.length)
  }
}

async function putData({ sandbox }: WiredSandbox): Promise<void> {
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const credentials = { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
  const at = { region: REGION, endpoint: sandbox.endpoint, credentials }
  const s3 = new S3Client({ ...at, forcePathStyle: true })
  const Bucket = 'my-data'
  await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'today.txt', Body: CONTENT }))
}

const kidNow = async ({ client }: RunningCluster): Promise<string> => {
  const account = { namespace: 'default', name: 'my-serviceaccount' }
  const token = await client.createToken(account, { audiences: ['sts.amazonaws.com'] })
  return decodeToken(token).header.kid ?? ''
}

let pods = 0
/** A pod made now reads S3 with the role; the key that signs. */
async function expectReads(cluster: RunningCluster): Promise<string> {
  pods += 1
  const pod = { name: `reader-${pods}`, namespace: 'default', serviceAccount: 'my-serviceaccount' }
  const outcome = await runPod(cluster.client, { ...pod, args: ['check', 'my-data', 'today.txt'] })
  expect(outcome).toMatchObject({ ok: true, content: CONTENT })
  return kidNow(cluster)
}

async function untilAnother(cluster: RunningCluster, before: string): Promise<string> {
  for (let tries = 0; tries < 200; tries += 1) {
    const kid = await kidNow(cluster)
    if (kid !== before) return kid
    await Bun.sleep(100)
  }
  throw new Error(`key ${before} still signs`)
}

const issuersIn = (file: string): string[] =>
  extraArgsIn(file).flatMap(({ name, value }) => (name === 'service-account-issuer' ? [value] : []))

/** What a kubeadm configuration passes to the API server. */
export function extraArgsIn(file: string): readonly { name: string; value: string }[] {
  const { apiServer } = Bun.YAML.parse(readFileSync(file, 'utf8')) as {
    apiServer: { extraArgs: { name: string; value: string }[] }
  }
  return apiServer.extraArgs
}
