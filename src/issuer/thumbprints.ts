import { messageOf } from '../lib/errors.ts'
import { UNTRUSTED_CODE } from '../lib/untrusted.ts'
import { DISCOVERY_PATH } from './documents.ts'
import { fetchOutside, textMember } from './outside-fetch.ts'
import type { IssuerNames } from './outside/issuer-names.ts'
import { readServedChain } from './served-chain.ts'

/** Which thumbprints a provider needs, and why. */
export interface ThumbprintAdvice {
  readonly thumbprints: readonly string[]
  /** One sentence. */
  readonly reason: string
}

/**
 * AWS falls back to thumbprints where its own library of authorities does not know the issuer's.
 * That library is not published: an authority that is public here is taken as known there. Where
 * the keys are on another host, its certificates count too.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
 */
export async function adviseThumbprints(
  names: IssuerNames,
  issuer: string,
): Promise<ThumbprintAdvice> {
  const host = new URL(issuer).hostname
  try {
    const first = await adviseFor(names, host)
    const other = await keysHost(names, issuer, first.thumbprints.length === 0)
    if (other === undefined || other === host) return first
    const second = await adviseFor(names, other)
    return {
      thumbprints: [...new Set([...first.thumbprints, ...second.thumbprints])],
      reason: `${first.reason}; ${second.reason}`,
    }
  } catch (error) {
    return {
      thumbprints: [],
      reason: `no thumbprint: ${messageOf(error)}; IAM reads the certificate itself`,
    }
  }
}

async function adviseFor(names: IssuerNames, host: string): Promise<ThumbprintAdvice> {
  const { fault, isPublic, lastThumbprint } = await readServedChain(names, host)
  if (isPublic) {
    return {
      thumbprints: [],
      reason: `no thumbprint: ${host} has a certificate of a public authority`,
    }
  }
  // A thumbprint helps with an authority that is not known alone.
  if (!UNTRUSTED_CODE.test(fault ?? '')) {
    return {
      thumbprints: [],
      reason: `no thumbprint: the certificate of ${host} is no good (${fault ?? 'unknown'}), and a thumbprint would not help`,
    }
  }
  return {
    thumbprints: [lastThumbprint],
    reason: `thumbprint ${lastThumbprint}: no public authority vouches for ${host} (${fault ?? ''})`,
  }
}

/** The host of `jwks_uri`; undefined where the document cannot be read: STS will say so. */
async function keysHost(
  names: IssuerNames,
  issuer: string,
  isVerified: boolean,
): Promise<string | undefined> {
  try {
    const document = await fetchOutside(names, issuer + DISCOVERY_PATH, { isVerified })
    const uri = textMember(document, 'jwks_uri')
    return uri !== undefined && URL.canParse(uri) ? new URL(uri).hostname : undefined
  } catch {
    return undefined
  }
}

/**
 * Whether an issuer's discovery document can be read from outside, over a certificate that is
 * public or has one of the thumbprints; undefined where it can, else why not.
 */
export async function faultOfIssuer(
  names: IssuerNames,
  issuer: string,
  thumbprints: readonly string[],
): Promise<string | undefined> {
  const read = async (isVerified: boolean): Promise<string | undefined> => {
    const document = await fetchOutside(names, issuer + DISCOVERY_PATH, { isVerified })
    const named = textMember(document, 'issuer')
    return named === issuer ? undefined : `its document names issuer ${JSON.stringify(named)}`
  }
  try {
    return await read(true)
  } catch (error) {
    return (await isPinned(names, issuer, thumbprints))
      ? read(false).catch(messageOf)
      : messageOf(error)
  }
}

async function isPinned(
  names: IssuerNames,
  issuer: string,
  thumbprints: readonly string[],
): Promise<boolean> {
  try {
    const { isPublic, lastThumbprint } = await readServedChain(names, new URL(issuer).hostname)
    return !isPublic && thumbprints.includes(lastThumbprint)
  } catch {
    return false
  }
}
