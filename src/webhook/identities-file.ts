import { open } from 'node:fs/promises'
import { z } from 'zod'
import { formatServiceAccountName } from '../iam/service-account-name.ts'
import { codeOf, PodroleError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { repeat } from '../lib/repeating.ts'
import { tellOnce } from '../lib/told-once.ts'
import type { FollowedIdentities } from './identities.ts'

export interface IdentitiesFileOptions {
  readonly path: string
  /** Milliseconds between two looks at the file; 2,000 by default. */
  readonly pollMs?: number
  readonly log: Log
}

const MAX_BYTES = 16 << 20

/**
 * Follows an identities file by reading it, never by file events: a ConfigMap's mount changes by
 * the rename of `..data`, which brings no event for the file's own name. A missing or empty file
 * names nobody; a bad one leaves what was known.
 */
export function identitiesFile(options: IdentitiesFileOptions): FollowedIdentities {
  const { path } = options
  const log = options.log.with({ file: path })
  const told = tellOnce((fields) => log.error('identities not read, the old ones stay', fields))
  let known: ReadonlySet<string> = new Set()
  let lastText: string | undefined
  const look = async (): Promise<void> => {
    try {
      const text = await readBounded(path)
      if (text === lastText) return
      // Remembered even where it is bad, so that one bad file is told of once.
      lastText = text
      known = parseIdentities(text)
      told.clear()
      log.info('identities read', { identities: known.size })
    } catch (error) {
      told.fault(error)
    }
  }
  const ready = look()
  const repeating = repeat(look, { everyMs: options.pollMs ?? 2000, first: ready })
  return {
    has: (serviceAccount) => known.has(formatServiceAccountName(serviceAccount)),
    ready,
    stop: () => repeating.stop(),
  }
}

async function readBounded(path: string): Promise<string> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (file === undefined) return ''
  try {
    const { size } = await file.stat()
    if (size > MAX_BYTES) {
      throw new PodroleError(
        'InvalidIdentitiesFile',
        `the identities file has ${size} bytes: wanted at most ${MAX_BYTES}`,
      )
    }
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

const FileSchema = z.object({
  identities: z.array(z.object({ namespace: z.string(), serviceAccount: z.string() })).nullish(),
})

/**
 * The keys (`NAMESPACE/NAME`) in an identities file as amazon-eks-pod-identity-webhook reads it:
 * `{"identities":[{"namespace":"foo","serviceAccount":"bar"}]}`; other members are ignored, an
 * empty text names none.
 * @throws PodroleError `InvalidIdentitiesFile`
 */
export function parseIdentities(text: string): ReadonlySet<string> {
  if (text === '') return new Set()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw invalid('is not JSON', error)
  }
  const result = FileSchema.safeParse(value)
  if (!result.success) {
    const [issue] = result.error.issues
    throw invalid(`has a fault at ${issue?.path.join('.') || 'its top'}: ${issue?.message}`)
  }
  return new Set(
    (result.data.identities ?? []).map(({ namespace, serviceAccount }) =>
      formatServiceAccountName({ namespace, name: serviceAccount }),
    ),
  )
}

function invalid(fault: string, cause?: unknown): PodroleError {
  return new PodroleError('InvalidIdentitiesFile', `the identities file ${fault}`, {
    hint: 'Wanted {"identities":[{"namespace":"NAMESPACE","serviceAccount":"NAME"}]}.',
    ...(cause !== undefined && { cause }),
  })
}
