import { codeOf } from './errors.ts'

/** OpenSSL's codes for a chain that ends in no authority of ours. */
export const UNTRUSTED_CODE =
  /^(?:UNABLE_TO_GET_ISSUER_CERT|UNABLE_TO_GET_ISSUER_CERT_LOCALLY|UNABLE_TO_VERIFY_LEAF_SIGNATURE|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN)$/

/** Whether a connection failed because nobody whom we trust vouches for the server. */
export const isUntrusted = (thrown: unknown): boolean => UNTRUSTED_CODE.test(codeOf(thrown) ?? '')
