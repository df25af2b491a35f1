import { isBucketName } from '../../aws/bucket-name.ts'
import { PodroleError } from '../../lib/errors.ts'
import { partitionOfRegion } from '../../iam/partitions.ts'

/** Where in S3 an issuer's documents are. */
export interface S3Place {
  readonly bucket: string
  /** Empty, or segments with slashes between them. */
  readonly prefix: string
}

const MAX_PREFIX = 200
/** What a URL's path holds as it is: the prefix becomes a part of the issuer. */
const PREFIX = /^(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)*$/

/**
 * Reads `s3://BUCKET[/PREFIX]`; a slash at the end is left out.
 * @throws PodroleError `InvalidS3Place`
 */
export function parseS3Place(text: string): S3Place {
  const [, bucket = '', rest = ''] = /^s3:\/\/([^/]*)(?:\/(.*))?$/s.exec(text) ?? []
  const prefix = rest.replace(/\/$/, '')
  const fault = !isBucketName(bucket)
    ? 'the bucket is 3 to 63 small letters, digits, dots and hyphens'
    : prefix !== '' && (prefix.length > MAX_PREFIX || !PREFIX.test(prefix))
      ? `the prefix is at most ${MAX_PREFIX} letters, digits and ._~- with single slashes between`
      : undefined
  if (fault === undefined) return { bucket, prefix }
  throw new PodroleError(
    'InvalidS3Place',
    `${JSON.stringify(text.slice(0, 300))} is no place in S3: wanted s3://BUCKET[/PREFIX]`,
    { hint: fault },
  )
}

/** The key of a document, whose path begins with a slash. */
export const keyOf = ({ prefix }: S3Place, path: string): string =>
  prefix === '' ? path.slice(1) : `${prefix}${path}`

/** `s3://BUCKET[/PREFIX]` */
export const placeName = ({ bucket, prefix }: S3Place): string =>
  `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`

/**
 * The issuer that a place in S3 is by itself: S3's own host of the region, path style, so that
 * buckets with dots in their names have a certificate too.
 * @throws PodroleError `InvalidRegion`
 */
export const s3IssuerOf = ({ bucket, prefix }: S3Place, region: string): string =>
  `https://s3.${region}.${partitionOfRegion(region).dnsSuffix}/${bucket}${prefix === '' ? '' : `/${prefix}`}`

/** The place in S3 that an issuer of `s3IssuerOf` is; undefined for any other. */
export function s3PlaceOf(
  issuer: string,
): { readonly place: S3Place; readonly region: string } | undefined {
  const [, region = '', path = ''] = /^https:\/\/s3\.([a-z0-9-]+)\.[^/]+\/(.+)$/.exec(issuer) ?? []
  try {
    const place = parseS3Place(`s3://${path}`)
    return s3IssuerOf(place, region) === issuer ? { place, region } : undefined
  } catch {
    return undefined
  }
}
