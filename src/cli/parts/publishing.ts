/** Where the options of a command have an issuer's documents written, and what was written. */
import { resolve } from 'node:path'
import { type IssuerUrl, parseIssuerUrl } from '../../issuer/issuer-url.ts'
import { prepareBucket } from '../../issuer/publishing/bucket.ts'
import type { BucketAccess } from '../../issuer/publishing/bucket-plan.ts'
import { createFolderStore } from '../../issuer/publishing/folder-store.ts'
import { type OpenS3, openS3 } from '../../issuer/publishing/open-s3.ts'
import type { PublishPlan } from '../../issuer/publishing/plan.ts'
import type { Preparing } from '../../issuer/publishing/publish.ts'
import { parseS3Place, type S3Place, s3IssuerOf } from '../../issuer/publishing/s3-place.ts'
import { createS3Store } from '../../issuer/publishing/s3-store.ts'
import type { DocumentStore } from '../../issuer/publishing/store.ts'
import { parseDurationMs } from '../../lib/durations.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import { printNote } from '../output.ts'

/** Where documents go. */
export interface PlaceFlags {
  readonly to: string
  readonly issuerUrl?: string
  readonly region?: string
  /** Of the AWS configuration; AWS_PROFILE if not given. */
  readonly profile?: string
  readonly createBucket: boolean
  readonly acl: boolean
}

/** Where the documents go, opened. */
export interface Destination {
  readonly issuer: IssuerUrl
  readonly store: DocumentStore
  readonly s3?: { readonly open: OpenS3; readonly place: S3Place }
  readonly prepare: NonNullable<Preparing['prepare']>
}

/** @throws PodroleError `ContradictoryOptions` */
export function checkPlace(flags: PlaceFlags & { readonly bucketOnly?: boolean }): void {
  const { to, issuerUrl, createBucket, acl, bucketOnly = false, region } = flags
  if (acl && issuerUrl !== undefined) {
    throw contradiction(
      '--acl opens the documents in S3, and --issuer-url has them read elsewhere',
      'leave one of them out; behind a CDN the bucket stays private',
    )
  }
  if (to.startsWith('s3://')) return
  if (createBucket || acl || bucketOnly || region !== undefined) {
    throw contradiction(
      `${JSON.stringify(to.slice(0, 300))} is a folder: --create-bucket, --acl, --bucket-only and --region are for S3`,
      'a place in S3 is written s3://BUCKET[/PREFIX]',
    )
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(to)) {
    throw contradiction(
      `${JSON.stringify(to.slice(0, 300))} is neither s3://BUCKET[/PREFIX] nor a folder`,
      'the URL where the documents are read from is given by --issuer-url',
    )
  }
  if (issuerUrl === undefined) {
    throw contradiction(
      'a folder does not say which issuer it is',
      'name the URL that it is served at: --issuer-url https://HOST[/PATH]',
    )
  }
}

export const contradiction = (message: string, hint: string): PodroleError =>
  new PodroleError('ContradictoryOptions', message, { hint })

const WAIT_MS = 60_000

/** How long to look; a CDN keeps what it read before for as long as it was told. */
export function waitMsOf(
  { wait, issuerUrl }: { readonly wait?: string; readonly issuerUrl?: string },
  maxAgeMs: number,
): number {
  if (wait !== undefined) return parseDurationMs(wait)
  return issuerUrl === undefined ? WAIT_MS : WAIT_MS + maxAgeMs
}

/** Opens the place of flags that `checkPlace` takes; `s3.open` is to be closed. */
export async function openDestination(flags: PlaceFlags): Promise<Destination> {
  const { to, issuerUrl, createBucket, acl } = flags
  if (!to.startsWith('s3://')) {
    return {
      issuer: parseIssuerUrl(issuerUrl ?? ''),
      store: createFolderStore(resolve(to)),
      prepare: async () => undefined,
    }
  }
  const place = parseS3Place(to)
  const open = await openS3(flags.region, flags.profile)
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

/** One line on what was written. */
export function tellWritten(place: string, { writes, added, dropped }: PublishPlan): void {
  if (writes.length === 0) {
    printNote(`${place}: nothing changed, nothing written`)
    return
  }
  const parts = [
    ...added.map((kid) => `added key ${kid || '(empty kid)'}`),
    ...dropped.map((kid) => `dropped key ${kid || '(empty kid)'}`),
    `wrote ${writes.map(({ path }) => path.slice(1)).join(', then ')}`,
  ]
  printNote(`${place}: ${parts.join('; ')}`)
}
