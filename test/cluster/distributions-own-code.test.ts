/** What `podrole issuer apiserver-flags --for …` prints, read by the distributions' own code. */
import { afterAll, describe, expect, test } from 'bun:test'
import { createPublicKey } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { generateSigningKey, kidOf, publicKeysPem, type SigningKey } from '../../src/issuer/keys.ts'
import type { KeyState } from '../../src/issuer/rotation/state.ts'
import { writeIssuerFolder } from '../support/issuer-folder.ts'
import { issuerIn } from '../support/issuer-journey.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { runCommand } from '../support/run-command.ts'
import { findTalos } from '../support/talos.ts'
import { lacks } from '../support/tools.ts'

const kubernetes = await findKubernetes()
const talos = await findTalos()

const ISSUER = 'https://idp.example.com/c1'
/** Of the configuration that Talos makes: the control plane's endpoint. */
const OLD_ISSUER = 'https://10.0.0.1:6443'
const DAY_SECONDS = 86_400

const root = mkdtempSync(join(tmpdir(), 'podrole-distributions-'))
const at = (name: string): string => join(root, name)
afterAll(() => rmSync(root, { recursive: true }))

const keys = await Promise.all([1, 2, 3].map(() => generateSigningKey()))
const [old, first, second] = keys as [SigningKey, SigningKey, SigningKey]

const printed = (...words: string[]): Promise<string> => issuerIn(root, 'apiserver-flags', ...words)

/** The issuer's folder with these keys and no others. */
async function folderOf(...states: readonly (readonly [SigningKey, KeyState])[]): Promise<void> {
  rmSync(at('issuer'), { recursive: true, force: true })
  const issuer = { issuer: ISSUER, settleSeconds: 60, maxTokenSeconds: DAY_SECONDS }
  await writeIssuerFolder(at('issuer'), issuer, ...states)
}

describe.skipIf(lacks("what kubeadm's own code reads", kubernetes.missing))('kubeadm', () => {
  const validate = async (text: string): Promise<{ readonly isValid: boolean; said: string }> => {
    writeFileSync(at('kubeadm.yaml'), text)
    const kubeadm = join(kubernetes.folder ?? '', 'kubeadm')
    const command = [kubeadm, 'config', 'validate', '--config', at('kubeadm.yaml')]
    const env = { PATH: process.env['PATH'] ?? '', HOME: root }
    const { exitCode, stderr } = await runCommand(command, { cwd: root, env })
    return { isValid: exitCode === 0, said: stderr }
  }

  test('takes a ClusterConfiguration with several issuers and keys, and no other word', async () => {
    await folderOf([first, 'active'], [second, 'prepared'])
    const text = await printed('--for', 'kubeadm', '--dir', 'issuer', '--old-issuer', OLD_ISSUER)
    expect(await validate(text)).toMatchObject({ isValid: true })
    const wrong = await validate(text.replace('extraVolumes', 'extraVolume'))
    expect(wrong).toMatchObject({ isValid: false })
    expect(wrong.said).toContain('unknown field "apiServer.extraVolume"')
  })
})

interface TalosOutcome {
  readonly error?: string
  readonly issuer: string
  readonly acceptedIssuers: readonly string[] | null
  readonly audiences: readonly string[]
  readonly keys: readonly string[]
  readonly extraArgs: Readonly<Record<string, readonly string[]>> | null
}

/** The printed patch, with the private key where its comment says. */
function withPrivateKey(text: string): string {
  const [, file] = /^# issuer\.privateKey .*: the text of (\S+)$/m.exec(text) ?? []
  if (file === undefined) return text
  const documents = parseAllDocuments(text)
  for (const document of documents) {
    if (document.hasIn(['issuer']))
      document.setIn(['issuer', 'privateKey'], readFileSync(file, 'utf8'))
  }
  return documents.map((one) => one.toString({ lineWidth: 0 })).join('')
}

describe.skipIf(lacks("what Talos' own code reads", talos.missing))('Talos', () => {
  const patched = async (
    version: string,
    ...patches: readonly string[]
  ): Promise<readonly TalosOutcome[]> => {
    const files = patches.map((text, number) => {
      writeFileSync(at(`patch-${number}.yaml`), text)
      return at(`patch-${number}.yaml`)
    })
    const command = [talos.program ?? '', version, ...files]
    const { exitCode, stdout, stderr } = await runCommand(command, { cwd: root, env: {} })
    if (exitCode !== 0) throw new Error(stderr)
    const lines = stdout.trimEnd().split('\n')
    return lines.map((line) => JSON.parse(line) as TalosOutcome)
  }
  /** Talos labels the signing key by its algorithm; the key is PKIX all the same. */
  const kidsOf = ({ keys: pems }: TalosOutcome): readonly string[] =>
    pems.map((pem) => kidOf(createPublicKey(pem.replaceAll('EC PUBLIC', 'PUBLIC'))))

  test('1.14 goes over to an issuer and its keys, and rotates them, each list as it is to be', async () => {
    const own = { privateKey: old.privateKey.export({ format: 'pem', type: 'pkcs8' }) }
    const start = JSON.stringify({
      apiVersion: 'v1alpha1',
      kind: 'KubeServiceAccountConfig',
      issuer: own,
    })
    // As the API server publishes them while the old one signs.
    writeFileSync(at('old.pub'), publicKeysPem([old, first]))
    const patch = async (...words: string[]): Promise<string> =>
      withPrivateKey(await printed('--for', 'talos', '--dir', 'issuer', ...words))
    const move = ['--old-issuer', OLD_ISSUER, '--service-account-key-file', 'old.pub']
    const patches = [start]
    await folderOf([first, 'active'])
    patches.push(await patch('--old-issuer', OLD_ISSUER, '--move', 'accept'))
    patches.push(await patch(...move))
    await folderOf([first, 'active'], [second, 'prepared'])
    patches.push(await patch(...move))
    patches.push(await patch())
    await folderOf([first, 'retiring'], [second, 'active'])
    patches.push(await patch())
    await folderOf([first, 'retired'], [second, 'active'])
    patches.push(await patch())

    const outcomes = await patched('1.14', ...patches)
    expect(outcomes.map(({ error }) => error)).toEqual(patches.map(() => undefined))
    const told = outcomes.map((one) => [one.issuer, one.acceptedIssuers ?? [], one.audiences])
    const alone = [ISSUER, [], [ISSUER]]
    expect(told).toEqual([
      [OLD_ISSUER, [], [OLD_ISSUER]],
      [OLD_ISSUER, [ISSUER], [OLD_ISSUER, ISSUER]],
      [ISSUER, [OLD_ISSUER], [ISSUER, OLD_ISSUER]],
      [ISSUER, [OLD_ISSUER], [ISSUER, OLD_ISSUER]],
      alone,
      alone,
      alone,
    ])
    // The one that signs comes first.
    const [o, f, s] = [old.kid, first.kid, second.kid]
    expect(outcomes.map(kidsOf)).toEqual([[o], [o, f], [f, o], [f, s, o], [f, s], [s, f], [s]])
    expect(outcomes.at(-1)?.extraArgs).toEqual({
      'service-account-jwks-uri': [`${ISSUER}/keys.json`],
      'service-account-max-token-expiration': ['24h'],
      'service-account-extend-token-expiration': ['false'],
    })
  })

  test('1.13 has another configuration, and neither takes the patch of the other', async () => {
    const words = ['--issuer', ISSUER, '--old-issuer', OLD_ISSUER]
    const older = await printed('--for', 'talos-1.13', ...words)
    const newer = await printed('--for', 'talos', ...words)
    const [made] = await patched('1.13', older)
    expect(made?.error).toBeUndefined()
    expect(made?.extraArgs).toEqual({
      'service-account-issuer': [ISSUER, OLD_ISSUER],
      'service-account-jwks-uri': [`${ISSUER}/keys.json`],
    })
    const [wrong] = await patched('1.14', older)
    expect(wrong?.error).toContain('already set in v1alpha1 config (.cluster.apiServer)')
    const [wrongToo] = await patched('1.13', newer)
    expect(wrongToo?.error).toContain('already set in v1alpha1 config (.cluster.serviceAccount)')
  })
})
