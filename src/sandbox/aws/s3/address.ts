/** What part of S3 a request means. */
export interface S3Address {
  readonly bucket: string | undefined
  /** Percent-decoded. */
  readonly key: string | undefined
}

const VIRTUAL_HOST =
  /^(?<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\.(?:s3[.-](?:[a-z0-9-]+\.)?amazonaws\.com(?:\.cn)?|s3\.localhost)(?::\d+)?$/

/** True where the host is S3's own, path style or a bucket's. */
export const isS3Host = (host: string): boolean =>
  /^(?:[a-z0-9.-]+\.)?s3[.-](?:[a-z0-9-]+\.)?amazonaws\.com(?:\.cn)?(?::\d+)?$/.test(
    host.toLowerCase(),
  )

/** The region that an S3 host names, where it names one. */
export const regionOfHost = (host: string): string | undefined =>
  /^(?:[a-z0-9.-]+\.)?s3[.-]([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?(?::\d+)?$/.exec(
    host.toLowerCase(),
  )?.[1]

/**
 * Bucket and key, by the host's name (virtual host) or the path.
 * Undefined where an escape in the path is broken.
 */
export function readAddress(host: string, pathname: string): S3Address | undefined {
  const virtual = VIRTUAL_HOST.exec(host.toLowerCase())?.groups?.['bucket']
  try {
    if (virtual !== undefined) {
      const key = decodeURIComponent(pathname.slice(1))
      return { bucket: virtual, key: key === '' ? undefined : key }
    }
    const slash = pathname.indexOf('/', 1)
    const bucket = decodeURIComponent(pathname.slice(1, slash === -1 ? undefined : slash))
    const key = slash === -1 ? '' : decodeURIComponent(pathname.slice(slash + 1))
    return { bucket: bucket === '' ? undefined : bucket, key: key === '' ? undefined : key }
  } catch {
    return undefined
  }
}
