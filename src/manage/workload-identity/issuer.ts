import { checkProviderIssuer } from '../../issuer/provider-plan.ts'
import type { KubeClient } from '../../kube/client.ts'
import { boundedText } from '../../lib/bounded-text.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'

const DISCOVERY = '/.well-known/openid-configuration'
const MAX_DOCUMENT_BYTES = 1 << 20
/** Whether it is what an API server has where nobody chose an issuer: STS cannot reach it. */
export const isInClusterIssuer = (issuer: string): boolean =>
  /^https:\/\/kubernetes\.default(?:\.svc(?:\.[a-z0-9.-]+)?)?\/?$/.test(issuer)

/**
 * The issuer of a cluster's service account tokens, as its API server tells; undefined where it
 * tells none (`ServiceAccountIssuerDiscovery` serves https:// issuers alone).
 * @throws PodroleError what the client throws; `InvalidIssuerDocument`
 */
export async function readClusterIssuer(kube: KubeClient): Promise<string | undefined> {
  let text: string | undefined
  try {
    const response = await kube.raw('GET', DISCOVERY)
    text = await boundedText(response.body, MAX_DOCUMENT_BYTES)
  } catch (error) {
    if (codeOf(error) === 'NotFound') return undefined
    throw error
  }
  try {
    const issuer: unknown = Reflect.get(JSON.parse(text ?? '') as object, 'issuer')
    if (typeof issuer === 'string') return issuer
  } catch {
    // Told below.
  }
  throw new PodroleError(
    'InvalidIssuerDocument',
    `${DISCOVERY} of ${kube.server} is no discovery document: wanted JSON with an issuer`,
  )
}

/**
 * That STS could read the issuer of a cluster.
 * @param wanted what it is said to be, where somebody says it
 * @throws PodroleError `NoClusterIssuer`, `IssuerDiffers`, `IssuerNotPublic`, `InvalidIssuerUrl`
 */
export function checkClusterIssuer(
  issuer: string | undefined,
  wanted: string | undefined,
  server: string,
): string {
  const hint =
    'The API server is told another one in steps: podrole issuer apiserver-flags --old-issuer … --move accept.'
  if (issuer === undefined) {
    throw new PodroleError('NoClusterIssuer', `the API server at ${server} tells no issuer`, {
      hint,
    })
  }
  if (wanted !== undefined && wanted !== issuer) {
    throw new PodroleError(
      'IssuerDiffers',
      `the API server at ${server} signs tokens as ${issuer}, not as ${wanted}: STS compares byte for byte`,
      { hint },
    )
  }
  if (isInClusterIssuer(issuer)) {
    throw new PodroleError(
      'IssuerNotPublic',
      `the API server at ${server} signs tokens as ${issuer}, which STS cannot reach`,
      { hint },
    )
  }
  checkProviderIssuer(issuer)
  return issuer
}

/** Whether it is the issuer of an EKS cluster, which EKS publishes. */
export const isEksIssuer = (issuer: string): boolean =>
  /^https:\/\/(?:oidc\.eks\.[a-z0-9-]+\.[a-z0-9.]+|oidc-eks\.[a-z0-9-]+\.api\.aws)\/id\/[A-Z0-9]+$/.test(
    issuer,
  )
