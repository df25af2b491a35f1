import type { SignatureVerdict } from './sigv4-verify.ts'

export const ALGORITHM = 'AWS4-HMAC-SHA256'
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD'

/** A refusal; 403 unless told. */
export function refuse(code: string, message: string, status = 403): SignatureVerdict {
  return { ok: false, code, message, status }
}
