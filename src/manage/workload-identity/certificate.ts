import { X509Certificate } from 'node:crypto'
import { type KubeClient, SECRETS } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/objects.ts'
import { createCertificateAuthority } from '../../lib/certificates.ts'
import type { Clock } from '../../lib/clock.ts'
import type { ServingCertificate } from '../../lib/serve.ts'
import { findObject } from './webhook-objects.ts'

const VALID_DAYS = 365
/** One that ends sooner is replaced when the add-on is enabled again or updated. */
const RENEW_DAYS = 60
const DAY_MS = 86_400_000

export interface WebhookCertificate {
  readonly certificate: ServingCertificate
  /** PEM of the authority that it comes from. */
  readonly caBundle: string
}

interface Secret extends KubeObject {
  data?: Record<string, string>
}

/**
 * The webhook's certificate: that of the cluster's Secret as long as it is good, or a new one with
 * an authority of its own, whose key is kept nowhere.
 */
export async function webhookCertificate(
  kube: KubeClient,
  wanted: {
    readonly namespace: string
    readonly secretName: string
    readonly names: readonly string[]
    readonly clock: Clock
  },
): Promise<WebhookCertificate> {
  const { clock, names, namespace, secretName } = wanted
  const found = await findObject<Secret>(kube, SECRETS, { namespace, name: secretName })
  const text = (key: string): string => Buffer.from(found?.data?.[key] ?? '', 'base64').toString()
  const [cert, key, caBundle] = [text('tls.crt'), text('tls.key'), text('ca.crt')]
  if (key !== '' && isGood({ cert, caBundle, names, nowMs: clock.now() })) {
    return { certificate: { cert, key }, caBundle }
  }
  const authority = await createCertificateAuthority({
    commonName: 'podrole-webhook',
    validDays: VALID_DAYS,
  })
  const certificate = await authority.issue({ names, validDays: VALID_DAYS })
  return { certificate, caBundle: authority.cert }
}

/** Until when a certificate is good; undefined for what is none. */
export function endOf(pem: string): number | undefined {
  try {
    return Date.parse(new X509Certificate(pem).validTo)
  } catch {
    return undefined
  }
}

function isGood(one: {
  readonly cert: string
  readonly caBundle: string
  readonly names: readonly string[]
  readonly nowMs: number
}): boolean {
  const end = endOf(one.cert)
  if (end === undefined || end - one.nowMs < RENEW_DAYS * DAY_MS) return false
  try {
    const leaf = new X509Certificate(one.cert)
    return (
      leaf.checkIssued(new X509Certificate(one.caBundle)) &&
      one.names.every((name) => leaf.checkHost(name) !== undefined)
    )
  } catch {
    return false
  }
}
