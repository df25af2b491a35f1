/**
 * What one half of a plan has done, as a file for whoever does the other half: some of their steps
 * wait for it, and they cannot look themselves.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { replaceFile } from '../../lib/durable-files.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import type { Half } from '../apply/halves.ts'

const RECEIPT_KIND = 'podrole.dev/receipt/v1'

const schema = z.strictObject({
  kind: z.literal(RECEIPT_KIND),
  half: z.enum(['aws', 'kubernetes']),
  /** SHA-256 of the plan file. */
  plan: z.string(),
  done: z.array(z.string()),
})

/** By which a receipt knows its plan file. */
export const planDigest = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Beside the plan file: `plan.json` has `plan.json.aws-done`. */
export const receiptPath = (planPath: string, half: Half): string => `${planPath}.${half}-done`

/**
 * The steps that the half has done; none where it has left no receipt.
 * @throws PodroleError `InvalidReceipt`: not one, of the other half, or of another plan
 */
export async function readReceipt(
  path: string,
  expected: { readonly half: Half; readonly plan: string },
): Promise<ReadonlySet<string>> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return new Set()
    throw new PodroleError('InvalidReceipt', `${path} cannot be read: ${codeOf(error) ?? ''}`)
  }
  const read = schema.safeParse(jsonOf(text))
  const fault = !read.success
    ? 'is no receipt of an apply'
    : read.data.half !== expected.half
      ? `is of the ${read.data.half} half, wanted the ${expected.half} half's`
      : read.data.plan !== expected.plan
        ? 'is of another plan file'
        : undefined
  if (fault !== undefined || !read.success) {
    throw new PodroleError('InvalidReceipt', `${path} ${fault ?? ''}`, {
      hint: 'Remove it, or ask for the one of this plan.',
    })
  }
  return new Set(read.data.done)
}

/** @throws what the file system throws */
export async function writeReceipt(
  path: string,
  receipt: { readonly half: Half; readonly plan: string; readonly done: readonly string[] },
): Promise<void> {
  const { done, half, plan } = receipt
  const text = JSON.stringify({ kind: RECEIPT_KIND, half, plan, done }, undefined, 2)
  await replaceFile(path, `${text}\n`, 0o644)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
