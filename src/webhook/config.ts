import { z } from 'zod'
import { parseDurationMs } from '../lib/durations.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'

/** The volume and the token file of the web identity way; amazon-eks-pod-identity-webhook's own. */
export const WEB_IDENTITY_VOLUME = 'aws-iam-token'
export const WEB_IDENTITY_TOKEN_PATH = 'token'
/** Below this kube-apiserver refuses a token volume. */
export const MIN_TOKEN_SECONDS = 600
/** Above this, 2^32, too. */
export const MAX_TOKEN_SECONDS = 2 ** 32

const MountPath = z
  .string()
  .regex(/^\/[^:\0]{1,1000}$/, 'wanted an absolute path without a colon')
  .transform((path) => path.replace(/(?<=.)\/+$/, ''))

const WholeNumber = z
  .union([z.number(), z.string().regex(/^\d{1,15}$/, 'wanted a whole number')])
  .transform(Number)
  .pipe(z.int())

const Flag = z.union([
  z.boolean(),
  z.enum(['true', 'false'], 'wanted true or false').transform((text) => text === 'true'),
])

const Duration = z.string().transform((text, context) => {
  try {
    return parseDurationMs(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) })
    return z.NEVER
  }
})

const FlagsSchema = z.strictObject({
  port: WholeNumber.pipe(z.int().max(65_535)).default(443),
  'metrics-address': z.union([z.ipv4(), z.ipv6()]).default('0.0.0.0'),
  'metrics-port': WholeNumber.pipe(z.int().min(0).max(65_535)).default(9999),
  'tls-cert': z.string().min(1).default('/etc/webhook/certs/tls.crt'),
  'tls-key': z.string().min(1).default('/etc/webhook/certs/tls.key'),
  'annotation-prefix': z
    .string()
    .max(253)
    .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'wanted a DNS name such as eks.amazonaws.com')
    .default('eks.amazonaws.com'),
  'token-audience': z.string().min(1).default('sts.amazonaws.com'),
  'token-mount-path': MountPath.default('/var/run/secrets/eks.amazonaws.com/serviceaccount'),
  'token-expiration': WholeNumber.transform((seconds) => Math.max(MIN_TOKEN_SECONDS, seconds))
    .pipe(z.int().max(MAX_TOKEN_SECONDS))
    .default(86_400),
  'aws-default-region': z.string().default(''),
  'sts-regional-endpoint': Flag.default(false),
  'watch-container-credentials-config': z.string().default(''),
  'container-credentials-audience': z.string().min(1).default('pods.eks.amazonaws.com'),
  'container-credentials-token-mount-path': MountPath.default(
    '/var/run/secrets/pods.eks.amazonaws.com/serviceaccount',
  ),
  'container-credentials-token-volume-name': z
    .string()
    .max(63)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'wanted a volume name')
    .default('eks-pod-identity-token'),
  'container-credentials-token-path': z
    .string()
    .regex(/^(?!\.{1,2}$)[^/\0]{1,255}$/, 'wanted a file name')
    .default('eks-pod-identity-token'),
  'container-credentials-full-uri': z
    .url({ protocol: /^https?$/ })
    .default('http://169.254.170.23/v1/credentials'),
  'service-account-lookup-grace-period': Duration.default(1000),
})

/** The webhook's settings. */
export interface WebhookConfig {
  /** 0 takes a free port. */
  readonly port: number
  /** Where `/metrics` is served, over plain HTTP: an IP address. */
  readonly metricsAddress: string
  readonly metricsPort: number
  readonly tlsCert: string
  readonly tlsKey: string
  /** The domain of the annotations of service accounts and pods. */
  readonly annotationPrefix: string
  readonly tokenAudience: string
  readonly tokenMountPath: string
  readonly tokenExpirationSeconds: number
  /** Empty: no region is injected. */
  readonly awsDefaultRegion: string
  readonly stsRegionalEndpoint: boolean
  /** Path of the identities file; empty: none. */
  readonly watchContainerCredentialsConfig: string
  readonly containerCredentialsAudience: string
  readonly containerCredentialsTokenMountPath: string
  readonly containerCredentialsTokenVolumeName: string
  readonly containerCredentialsTokenPath: string
  readonly containerCredentialsFullUri: string
  /** Milliseconds that the lookup of one service account may take. */
  readonly serviceAccountLookupMs: number
}

/**
 * Settings out of flags, by the names (and where podrole has them, the defaults) of
 * amazon-eks-pod-identity-webhook's own: `token-audience` or `tokenAudience`, values as text or
 * typed; what is undefined is left at its default. The lookup of a service account takes up to a
 * second by default, where that webhook does none.
 * @throws PodroleError `InvalidWebhookConfig`, which names every fault
 */
export function parseWebhookConfig(flags: Readonly<Record<string, unknown>> = {}): WebhookConfig {
  const given = Object.entries(flags).filter(([, value]) => value !== undefined)
  const result = FlagsSchema.safeParse(
    Object.fromEntries(given.map(([name, value]) => [flagName(name), value])),
  )
  if (!result.success) {
    const faults = result.error.issues.map((issue) =>
      issue.code === 'unrecognized_keys'
        ? `there is no ${issue.keys.map((key) => `--${key}`).join(', ')}`
        : `--${issue.path.join('.')}: ${issue.message}`,
    )
    throw new PodroleError('InvalidWebhookConfig', `the webhook's settings: ${faults.join('; ')}`)
  }
  const values = result.data
  return {
    port: values.port,
    metricsAddress: values['metrics-address'],
    metricsPort: values['metrics-port'],
    tlsCert: values['tls-cert'],
    tlsKey: values['tls-key'],
    annotationPrefix: values['annotation-prefix'],
    tokenAudience: values['token-audience'],
    tokenMountPath: values['token-mount-path'],
    tokenExpirationSeconds: values['token-expiration'],
    awsDefaultRegion: values['aws-default-region'],
    stsRegionalEndpoint: values['sts-regional-endpoint'],
    watchContainerCredentialsConfig: values['watch-container-credentials-config'],
    containerCredentialsAudience: values['container-credentials-audience'],
    containerCredentialsTokenMountPath: values['container-credentials-token-mount-path'],
    containerCredentialsTokenVolumeName: values['container-credentials-token-volume-name'],
    containerCredentialsTokenPath: values['container-credentials-token-path'],
    containerCredentialsFullUri: values['container-credentials-full-uri'],
    serviceAccountLookupMs: values['service-account-lookup-grace-period'],
  }
}

const flagName = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
