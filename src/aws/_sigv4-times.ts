import { refuse } from './_sigv4-verdicts.ts'
import type { SignatureClaims, SignatureVerdict } from './sigv4-verify.ts'

const MINUTE_MS = 60_000
const SKEW_MINUTES = 5
const S3_SKEW_MINUTES = 15
/**
 * A presigned request of STS is good for 15 minutes, whatever it says about its end
 * (aws-iam-authenticator pkg/token/token.go, Verify); elsewhere one that says nothing is too.
 */
const DEFAULT_EXPIRES_SECONDS = 900

/** `20260131T235959Z` */
export function formatAmzDate(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
}

/** Milliseconds of `20260131T235959Z`; undefined for another form or no such time. */
export function parseAmzDate(text: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (parts === null) return undefined
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number)
  if (year === undefined || month === undefined) return undefined
  const ms = Date.UTC(year, month - 1, day, hour, minute, second)
  // Date.UTC takes the 31st of February for the 3rd of March.
  return formatAmzDate(ms) === text ? ms : undefined
}

/** Whether a signature is of now; a presigned one also lives as long as it says. */
export function checkTimes(claims: SignatureClaims, nowMs: number): SignatureVerdict | undefined {
  const s3 = claims.service === 's3'
  const minutes = s3 ? S3_SKEW_MINUTES : SKEW_MINUTES
  const at = claims.timestampMs
  const late = nowMs + minutes * MINUTE_MS
  const [signed, now] = [() => formatAmzDate(at), () => formatAmzDate(nowMs)]
  if (at > late) {
    if (s3) return claims.presigned ? refuse('AccessDenied', 'Request is not valid yet') : skewed()
    return refuse(
      'SignatureDoesNotMatch',
      `Signature not yet current: ${signed()} is still later than ${formatAmzDate(late)} (${now()} + ${minutes} min.)`,
    )
  }
  if (claims.presigned) return checkExpiry(claims, nowMs)
  const early = nowMs - minutes * MINUTE_MS
  if (at >= early) return undefined
  if (s3) return skewed()
  return refuse(
    'SignatureDoesNotMatch',
    `Signature expired: ${signed()} is now earlier than ${formatAmzDate(early)} (${now()} - ${minutes} min.)`,
  )
}

const skewed = (): SignatureVerdict =>
  refuse(
    'RequestTimeTooSkewed',
    'The difference between the request time and the current time is too large.',
  )

function checkExpiry(claims: SignatureClaims, nowMs: number): SignatureVerdict | undefined {
  const told = claims.service === 'sts' ? undefined : claims.expiresSeconds
  const end = claims.timestampMs + (told ?? DEFAULT_EXPIRES_SECONDS) * 1000
  if (nowMs <= end) return undefined
  if (claims.service === 's3') return refuse('AccessDenied', 'Request has expired')
  return refuse(
    'SignatureDoesNotMatch',
    `Signature expired: ${formatAmzDate(end)} is now earlier than ${formatAmzDate(nowMs)}`,
  )
}
