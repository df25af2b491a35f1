/** Broker keys: made, told once, revoked. */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { Secret } from '../lib/secret.ts'
import { EksFault } from './eks-wire.ts'
import type { BrokerKey, KeyScope } from './store.ts'

/** AWS's begin with AKIA or ASIA: a broker key found in a log or a file is not taken for one. */
const PREFIX = 'PRBK'
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** A new key; its secret is 40 characters long, as AWS's are. */
export function createBrokerKey(
  scope: KeyScope,
  options: { readonly description?: string; readonly nowMs: number },
): BrokerKey {
  const id = Array.from(randomBytes(16), (byte) => BASE32[byte % 32]).join('')
  return {
    accessKeyId: PREFIX + id,
    secretAccessKey: new Secret(randomBytes(30).toString('base64url')),
    scope,
    description: options.description ?? '',
    createdAtMs: options.nowMs,
  }
}

const description = z.string().max(256).optional()
const clusterName = z.string().min(1).max(100)
const schema = z.strictObject({
  scope: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('admin') }),
    z.strictObject({ kind: z.literal('agent'), clusterName }),
    z.strictObject({ kind: z.literal('webhook'), clusterName }),
  ]),
  description,
})

/** @throws EksFault `InvalidParameterException` */
export function readKeyRequest(body: unknown): { scope: KeyScope; description?: string } {
  const read = schema.safeParse(body)
  if (!read.success) {
    const faults = read.error.issues.map(
      (issue) => `${issue.path.map(String).join('.') || 'body'}: ${issue.message}`,
    )
    throw new EksFault('InvalidParameterException', faults.join('; '))
  }
  const { scope, description } = read.data
  return { scope, ...(description !== undefined && { description }) }
}

/** A key without its secret. */
export function describeKey(key: BrokerKey): Readonly<Record<string, unknown>> {
  return {
    accessKeyId: key.accessKeyId,
    scope: key.scope,
    description: key.description,
    createdAt: key.createdAtMs / 1000,
  }
}
