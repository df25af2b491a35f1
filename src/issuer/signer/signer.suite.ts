/** What the tests of the signer start and ask with. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ManualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { generateSigningKey, type SigningAlgorithm, type SigningKey } from '../keys.ts'
import { localKey } from './active-key.ts'
import type { ExternalKey } from './external-jwt.ts'
import { createSignerClient, type SignerClient } from './signer-client.ts'
import type { IssuerKeys, SigningSource } from './signing-source.ts'
import { startSigner, type SignerOptions, type RunningSigner } from './start-signer.ts'

export const MAX_TOKEN_SECONDS = 86_400

/** A source whose keys a test changes, or whose reading it breaks. */
export class ChangingSource implements SigningSource {
  readonly name = 'the test'
  readonly maxStaleSeconds: number = 300
  keys: IssuerKeys
  fault: Error | undefined
  reads = 0

  constructor(keys: IssuerKeys) {
    this.keys = keys
  }

  async read(): Promise<IssuerKeys> {
    this.reads += 1
    if (this.fault !== undefined) throw this.fault
    return this.keys
  }
}

export const keySet = (active: SigningKey, ...others: readonly SigningKey[]): IssuerKeys => ({
  published: [active, ...others],
  active: localKey(active),
  maxTokenSeconds: MAX_TOKEN_SECONDS,
})

export const changingSource = async (algorithm?: SigningAlgorithm): Promise<ChangingSource> =>
  new ChangingSource(keySet(await generateSigningKey(algorithm)))

export interface SignerFixture {
  readonly folder: string
  readonly socket: string
  readonly clock: ManualClock
  readonly signer: RunningSigner
  readonly client: SignerClient
  /** Claims of a token of one hour, as a second segment. */
  readonly claims: (more?: Readonly<Record<string, unknown>>) => string
  stop(): Promise<void>
}

/** A signer in a folder of its own, and a client of `v1`. */
export async function startSignerFixture(
  source: SigningSource,
  more: Partial<SignerOptions> = {},
): Promise<SignerFixture> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-signer-'))
  const socket = join(folder, 'run', 'signer.sock')
  const clock = new ManualClock()
  const options = { socket, source, clock, log: silentLog, pollMs: 20, ...more }
  const signer = await startSigner(options)
  const client = createSignerClient(socket)
  return {
    folder,
    socket,
    clock,
    signer,
    client,
    claims: (claims = {}) => segmentOf({ ...tokenClaims(clock.now()), ...claims }),
    stop: async () => {
      client.close()
      await signer.stop(200)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export const segmentOf = (claims: unknown): string =>
  Buffer.from(JSON.stringify(claims)).toString('base64url')

/** What kube-apiserver has signed for one hour. */
export const tokenClaims = (nowMs: number): Readonly<Record<string, unknown>> => {
  const nowSeconds = Math.floor(nowMs / 1000)
  return {
    aud: ['sts.amazonaws.com'],
    exp: nowSeconds + 3600,
    iat: nowSeconds,
    iss: 'https://idp.example.com/c1',
    'kubernetes.io': { namespace: 'orders', serviceaccount: { name: 'api', uid: 'u-1' } },
    nbf: nowSeconds,
    sub: 'system:serviceaccount:orders:api',
  }
}

export const publicKeyOf = (key: ExternalKey): KeyObject =>
  createPublicKey({ key: Buffer.from(key.key), format: 'der', type: 'spki' })
