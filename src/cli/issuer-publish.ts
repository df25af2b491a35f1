import { resolve } from 'node:path'
import { oidcProviderArn } from '../iam/arn.ts'
import { partitionOfRegion } from '../iam/partitions.ts'
import { JWKS_PATH } from '../issuer/documents.ts'
import { type IssuerUrl, parseIssuerUrl } from '../issuer/issuer-url.ts'
import type { PublicSigningKey } from '../issuer/keys.ts'
import type { OutsideFinding } from '../issuer/outside/findings.ts'
import { type IssuerNames, readOutsideNames } from '../issuer/outside/issuer-names.ts'
import { prepareBucket } from '../issuer/publishing/bucket.ts'
import type { BucketAccess } from '../issuer/publishing/bucket-plan.ts'
import { createFolderStore } from '../issuer/publishing/folder-store.ts'
import { type OpenS3, openS3 } from '../issuer/publishing/open-s3.ts'
import type { PublishPlan } from '../issuer/publishing/plan.ts'
import { type Preparing, publish } from '../issuer/publishing/publish.ts'
import { parseS3Place, placeName, type S3Place, s3IssuerOf } from '../issuer/publishing/s3-place.ts'
import { createS3Store } from '../issuer/publishing/s3-store.ts'
import type { DocumentStore } from '../issuer/publishing/store.ts'
import { parseDurationMs } from '../lib/durations.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import type { PublishFlags } from './commands/issuer.ts'
import { printData, printNote } from './output.ts'
import { namesKeys, readKeySources, withRequestedCopy } from './parts/key-sources.ts'
import { findFromOutside, hasErrors, printFindings } from './parts/outside-findings.ts'

/** What is told in the end. */
interface PublishResult {
  readonly issuerUrl: string
  readonly issuerHostPath: string
  readonly place: string
  readonly s3Bucket?: string
  readonly region?: string
  readonly oidcProviderArn?: string
  readonly kids?: readonly string[]
  readonly added?: readonly string[]
  readonly dropped?: readonly string[]
  /** Paths of the documents that were written, in that order. */
  readonly written?: readonly string[]
  /** Of the look from outside. */
  readonly findings?: readonly OutsideFinding[]
}

/** Where the documents go, opened. */
interface Destination {
  readonly issuer: IssuerUrl
  readonly store: DocumentStore
  readonly s3?: { readonly open: OpenS3; readonly place: S3Place }
  readonly prepare: NonNullable<Preparing['prepare']>
}

/** The exit code: 1 where what was published is not seen from outside as it should be. */
export async function runPublish(files: readonly string[], flags: PublishFlags): Promise<number> {
  checkFlags(files, flags)
  const maxAgeMs = parseDurationMs(flags.maxAge)
  const waitMs = waitOf(flags, maxAgeMs)
  const names = readOutsideNames(process.env)
  if (flags.issuerUrl !== undefined) parseIssuerUrl(flags.issuerUrl)
  const keys = flags.bucketOnly ? [] : withRequestedCopy(await readKeySources(files, flags), flags)
  const destination = await openDestination(flags)
  try {
    if (flags.bucketOnly) {
      await destination.prepare(true)
      printResult(flags, await resultOf(destination))
      return 0
    }
    const plan = await publish(
      destination.store,
      {
        issuer: destination.issuer.issuer,
        keys,
        mayDrop: flags.dropKey,
        keepPublished: flags.keepPublished,
        maxAgeSeconds: Math.floor(maxAgeMs / 1000),
      },
      { prepare: destination.prepare },
    )
    tell(destination, plan)
    const result = { ...(await resultOf(destination)), ...outcomeOf(plan) }
    if (!flags.check) {
      printResult(flags, result)
      return 0
    }
    const findings = await look(destination.issuer, plan.keys, { names, waitMs })
    // Half a result would be taken for a whole one by `eval`, which drops the exit code.
    const isHalf = hasErrors(findings) && flags.output === 'env'
    if (!isHalf) printResult(flags, { ...result, findings })
    return hasErrors(findings) ? 1 : 0
  } finally {
    destination.s3?.open.close()
  }
}

const WAIT_MS = 60_000

/** A CDN keeps what it read before for as long as it was told. */
function waitOf({ wait, issuerUrl }: PublishFlags, maxAgeMs: number): number {
  if (wait !== undefined) return parseDurationMs(wait)
  return issuerUrl === undefined ? WAIT_MS : WAIT_MS + maxAgeMs
}

function checkFlags(files: readonly string[], flags: PublishFlags): void {
  const { to, issuerUrl, createBucket, acl, bucketOnly, region } = flags
  const refuse = (message: string, hint: string): PodroleError =>
    new PodroleError('ContradictoryOptions', message, { hint })
  if (acl && issuerUrl !== undefined) {
    throw refuse(
      '--acl opens the documents in S3, and --issuer-url has them read elsewhere',
      'leave one of them out; behind a CDN the bucket stays private',
    )
  }
  if (bucketOnly && namesKeys(files, flags)) {
    throw refuse('--bucket-only publishes nothing, and keys are named', 'leave one of them out')
  }
  if (to.startsWith('s3://')) return
  if (createBucket || acl || bucketOnly || region !== undefined) {
    throw refuse(
      `${JSON.stringify(to.slice(0, 300))} is a folder: --create-bucket, --acl, --bucket-only and --region are for S3`,
      'a place in S3 is written s3://BUCKET[/PREFIX]',
    )
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(to)) {
    throw refuse(
      `${JSON.stringify(to.slice(0, 300))} is neither s3://BUCKET[/PREFIX] nor a folder`,
      'the URL where the documents are read from is given by --issuer-url',
    )
  }
  if (issuerUrl === undefined) {
    throw refuse(
      'a folder does not say which issuer it is',
      'name the URL that it is served at: --issuer-url https://HOST[/PATH]',
    )
  }
}

async function openDestination(flags: PublishFlags): Promise<Destination> {
  const { to, issuerUrl, createBucket, acl } = flags
  if (!to.startsWith('s3://')) {
    return {
      issuer: parseIssuerUrl(issuerUrl ?? ''),
      store: createFolderStore(resolve(to)),
      prepare: async () => undefined,
    }
  }
  const place = parseS3Place(to)
  const open = await openS3(flags.region)
  const issuer = parseIssuerUrl(issuerUrl ?? s3IssuerOf(place, open.region))
  const access: BucketAccess = issuerUrl !== undefined ? 'private' : acl ? 'acl' : 'policy'
  const store = createS3Store(open, place, { publicReadAcl: acl })
  return {
    issuer,
    store: createBucket ? orNothing(store) : store,
    s3: { open, place },
    prepare: async (isFirst) => {
      if (!isFirst && !createBucket) return
      const { region } = open
      await prepareBucket(open, place, { access, create: createBucket, region, note: printNote })
    },
  }
}

/** In a bucket that is about to be made, nothing is published. */
function orNothing(store: DocumentStore): DocumentStore {
  return {
    ...store,
    read: (path) =>
      store.read(path).catch((error: unknown) => {
        if (codeOf(error) === 'NoSuchBucket') return undefined
        throw error
      }),
  }
}

function tell({ store }: Destination, { writes, added, dropped }: PublishPlan): void {
  if (writes.length === 0) {
    printNote(`${store.place}: nothing changed, nothing written`)
    return
  }
  const parts = [
    ...added.map((kid) => `added key ${kid || '(empty kid)'}`),
    ...dropped.map((kid) => `dropped key ${kid || '(empty kid)'}`),
    `wrote ${writes.map(({ path }) => path.slice(1)).join(', then ')}`,
  ]
  printNote(`${store.place}: ${parts.join('; ')}`)
}

async function look(
  { issuer }: IssuerUrl,
  keys: readonly PublicSigningKey[],
  how: { readonly names: IssuerNames; readonly waitMs: number },
): Promise<readonly OutsideFinding[]> {
  const findings = await findFromOutside({ issuer, keys, jwksUri: issuer + JWKS_PATH }, how)
  printFindings(findings)
  if (hasErrors(findings)) {
    printNote(
      `published, but STS could not use ${issuer} as it is seen from here; --no-check skips the look where this machine has no way there`,
    )
  } else {
    printNote(`seen from outside at ${issuer}`)
  }
  return findings
}

async function resultOf({ issuer, store, s3 }: Destination): Promise<PublishResult> {
  const result = {
    issuerUrl: issuer.issuer,
    issuerHostPath: issuer.hostPath,
    place: store.place,
  }
  if (s3 === undefined) return result
  const { region } = s3.open
  const arn = await providerArnOf(issuer, s3.open)
  return {
    ...result,
    place: placeName(s3.place),
    s3Bucket: s3.place.bucket,
    region,
    ...(arn !== undefined && { oidcProviderArn: arn }),
  }
}

/** That the issuer's IAM OIDC provider has, or will have, in the caller's account. */
async function providerArnOf({ issuer }: IssuerUrl, open: OpenS3): Promise<string | undefined> {
  try {
    const { id: partition } = partitionOfRegion(open.region)
    return oidcProviderArn({ partition, accountId: await open.accountId(), issuer })
  } catch (error) {
    printNote(`the account is not known, so there is no provider's ARN: ${messageOf(error)}`)
    return undefined
  }
}

const outcomeOf = ({ keys, added, dropped, writes }: PublishPlan): Partial<PublishResult> => ({
  kids: keys.map(({ kid }) => kid),
  added,
  dropped,
  written: writes.map(({ path }) => path.slice(1)),
})

function printResult({ output }: PublishFlags, result: PublishResult): void {
  if (output === 'env') {
    process.stdout.write(environmentOf(result))
    return
  }
  const { findings = [], ...rest } = result
  printData(output, result, {
    columns: ['what', 'value'],
    rows: [
      ...Object.entries(rest).map(([name, value]) => [name, [value].flat().join(', ')]),
      ...findings.map(({ level, code }) => [level, code]),
    ],
  })
}

/** Lines for `eval`, with the names that EKS Anywhere's document uses. */
function environmentOf(result: PublishResult): string {
  const values = {
    ISSUER_URL: result.issuerUrl,
    ISSUER_HOSTPATH: result.issuerHostPath,
    S3_BUCKET: result.s3Bucket,
    OIDC_PROVIDER_ARN: result.oidcProviderArn,
  }
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `export ${name}=${shellQuoted(value ?? '')}\n`)
    .join('')
}

const shellQuoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`
