/** What a broker is told, checked in one pass. */
import { z } from 'zod'
import { partitionById, partitionOfRegion } from '../iam/partitions.ts'
import { parseDurationMs } from '../lib/durations.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'
import type { BrokerPlace } from './cluster-registration.ts'

const file = z.string().min(1)
const keyArn = z
  .string()
  .regex(
    /^arn:[a-z0-9-]+:kms:[a-z0-9-]+:\d{12}:(?:key|alias)\/[\w/:-]{1,256}$/,
    'wanted the ARN of a KMS key or alias',
  )
/** What is published may be kept by others for so long (issuer-app.ts), and brokers are faster. */
const SHORTEST_SETTLE_SECONDS = 300

/** Seconds, written as `90s` or `30d`. */
const duration = (min: number, max: number) =>
  z.string().transform((text, context) => {
    try {
      const seconds = Math.floor(parseDurationMs(text) / 1000)
      if (seconds >= min && seconds <= max) return seconds
      context.addIssue(`${JSON.stringify(text)} is ${seconds} s: wanted ${min} s to ${max} s`)
    } catch (error) {
      context.addIssue(messageOf(error))
    }
    return z.NEVER
  })
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

const signingKeys = z.strictObject({
  /** With what private halves are sealed in the database; default: they are not. */
  sealing: z.union([z.strictObject({ file }), z.strictObject({ kms: keyArn })]).optional(),
  /** How long a key signs before the next one takes over by itself; default: nothing does. */
  rotateEvery: duration(3600, 10 * 365 * 86_400).optional(),
  /** How long a key is seen from outside before it may sign. */
  settle: duration(SHORTEST_SETTLE_SECONDS, 365 * 86_400).default(86_400),
})

const metrics = z.strictObject({
  hostname: z.string().min(1).default('0.0.0.0'),
  port: z.number().int().min(0).max(65_535),
})

const schema = z.strictObject({
  hostname: z.string().min(1).default('0.0.0.0'),
  port: z.number().int().min(0).max(65_535).default(8443),
  /** PEM: the serving certificate with its chain, and its key; read again when they change. */
  certificateFile: file,
  keyFile: file,
  /** SQLite; made where it is missing. */
  databaseFile: file,
  /** The fleet issuer's URL, which the broker serves the documents of: https, no port. */
  issuer: z
    .string()
    .regex(/^https:\/\/[^\s?#]{1,247}$/, 'wanted an https URL of at most 255 characters'),
  region: z.string().regex(/^[a-z]{2}[a-z0-9-]{1,30}$/, 'wanted the name of a region'),
  /** In the ARNs of the broker's clusters. */
  accountId: z.string().regex(/^\d{12}$/, 'wanted 12 digits'),
  /** Default: the region's. */
  partition: z.string().optional(),
  /** STS elsewhere than in the region. */
  stsEndpoint: z
    .url({ protocol: /^https?$/ })
    .refine(
      (url) => url.startsWith('https:') || LOOPBACK.test(new URL(url).hostname),
      'tokens go to STS over https alone, but for one on loopback',
    )
    .optional(),
  /** Where `/metrics` is served, over plain HTTP; default: nowhere. */
  metrics: metrics.optional(),
  /** The fleet issuer's signing keys. */
  signingKeys: signingKeys.default({ settle: 86_400 }),
  /** Where the first admin key is written, mode 0600, when the broker has none. */
  adminKeyFile: file.optional(),
  /** Sessions of associations that say nothing else. */
  sessionSeconds: z.number().int().min(900).max(43_200).default(3600),
  /** Refuses service accounts whose subject is over 255 characters, which AWS's model allows. */
  refuseLongSubjects: z.boolean().default(false),
})

/** The names of all settings, `signingKeys.settle` and the like for those that are inside others. */
export const BROKER_SETTINGS: readonly string[] = [
  ...Object.keys(schema.shape).filter((name) => name !== 'signingKeys' && name !== 'metrics'),
  ...Object.keys(metrics.shape).map((name) => `metrics.${name}`),
  ...Object.keys(signingKeys.shape).map((name) => `signingKeys.${name}`),
]

/** What may be given: everything with a default may be left out. */
export type BrokerConfigInput = z.input<typeof schema>
export type BrokerConfig = z.output<typeof schema>

/** @throws PodroleError `InvalidBrokerConfig` with the path of every fault */
export function readBrokerConfig(input: unknown): BrokerConfig {
  const read = schema.safeParse(input)
  const faults = read.success
    ? partitionFaults(read.data)
    : read.error.issues.map(
        (issue) => `${issue.path.map(String).join('.') || 'config'}: ${issue.message}`,
      )
  if (read.success && faults.length === 0) return read.data
  throw new PodroleError(
    'InvalidBrokerConfig',
    `the broker's settings are wrong: ${faults.join('; ')}`,
  )
}

/** Where the broker's clusters are. */
export function placeOf(config: BrokerConfig): BrokerPlace {
  const { accountId, region } = config
  return { partition: config.partition ?? partitionOfRegion(region).id, region, accountId }
}

function partitionFaults(config: BrokerConfig): string[] {
  try {
    if (config.partition !== undefined) partitionById(config.partition)
    partitionOfRegion(config.region)
    return []
  } catch (error) {
    return [messageOf(error)]
  }
}
