/** ES256 signatures through gRPC, beside the same gRPC service that answers fixed bytes. */
import { sign } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateSigningKey, type SigningKey } from '../src/issuer/keys.ts'
import { jwsHeader } from '../src/issuer/sign.ts'
import { localKey } from '../src/issuer/signer/active-key.ts'
import type { SigningSource } from '../src/issuer/signer/signing-source.ts'
import type { Signing } from '../src/issuer/signer/signing.ts'
import { type RunningSigner, serveSigning, startSigner } from '../src/issuer/signer/start-signer.ts'
import { systemClock } from '../src/lib/clock.ts'
import { podClaims } from './fixtures.ts'
import {
  type Bench,
  compareLoads,
  type Comparison,
  type Cost,
  droppingLog,
  type LoadProcess,
  startLoadProcess,
} from './measure.ts'
import type { SignerJob } from './signer-load.ts'

const TOKENS = 50
const CALLS_AT_ONCE = 16

/** A signer that runs, and what it is. */
interface Served {
  readonly does: string
  readonly server: RunningSigner
}

export async function measureSigner(bench: Bench): Promise<Comparison[]> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-bench-'))
  const key = await generateSigningKey('ES256')
  const own = await serveOwn(join(folder, 'own', 'signer.sock'), key)
  const floors = await serveFloors(folder, key)
  const load = startLoadProcess<SignerJob>('signer-load.ts')
  try {
    const found: Comparison[] = []
    for (const { does, server } of floors) {
      found.push(
        await compareLoads(bench, {
          name: 'signer: Sign, ES256',
          floorDoes: `${does}, same gRPC service`,
          own: () => costOf(bench, load, own.socket),
          floor: () => costOf(bench, load, server.socket),
        }),
      )
    }
    return found
  } finally {
    await load.stop()
    for (const server of [own, ...floors.map((floor) => floor.server)]) await server.stop(200)
    rmSync(folder, { recursive: true })
  }
}

function serveOwn(socket: string, key: SigningKey): Promise<RunningSigner> {
  const source: SigningSource = {
    name: 'bench',
    maxStaleSeconds: 300,
    read: async () => ({ published: [key], active: localKey(key), maxTokenSeconds: 86_400 }),
  }
  return startSigner({ socket, source, clock: systemClock, log: droppingLog })
}

async function serveFloors(folder: string, key: SigningKey): Promise<readonly Served[]> {
  const serve = (name: string, signWith: Signing['sign']): Promise<RunningSigner> =>
    serveSigning(join(folder, name, 'signer.sock'), {
      signing: {
        sign: signWith,
        fetchKeys: () => Promise.reject(new Error('the floor has no keys')),
        metadata: () => ({ maxTokenExpirationSeconds: 86_400 }),
      },
      log: droppingLog,
    })
  const header = jwsHeader(key)
  const fixed = { header, signature: 'A'.repeat(86) }
  const privateKey = { key: key.privateKey, dsaEncoding: 'ieee-p1363' } as const
  return [
    { does: 'fixed bytes', server: await serve('fixed', () => Promise.resolve(fixed)) },
    {
      does: 'node:crypto sign alone',
      server: await serve('bare', async ({ claims }) => {
        const signature = sign('sha256', Buffer.from(`${header}.${claims}`), privateKey)
        return { header, signature: signature.toString('base64url') }
      }),
    },
  ]
}

const CLAIMS = Array.from({ length: TOKENS }, (_, pod) =>
  Buffer.from(JSON.stringify(podClaims(pod))).toString('base64url'),
)

/** Several calls at once for the rate and the CPU time, one for the time to the answer. */
async function costOf(
  { seconds }: Bench,
  load: LoadProcess<SignerJob>,
  socket: string,
): Promise<Cost> {
  const before = process.cpuUsage()
  const job = { socket, claims: CLAIMS }
  const many = await load.run({ ...job, callsAtOnce: CALLS_AT_ONCE, seconds })
  const { user, system } = process.cpuUsage(before)
  const one = await load.run({ ...job, callsAtOnce: 1, seconds: seconds / 2 })
  return {
    perSecond: many.perSecond,
    cpuUs: (user + system) / many.requests,
    p50Us: one.p50Us,
  }
}
