import { readFileSync } from 'node:fs'
import { loadKubeAccess } from '../kube/kubeconfig.ts'
import { createKubeClient } from '../kube/transport.ts'
import { toYaml } from '../kube/yaml.ts'
import { createCertificateAuthority } from '../lib/certificates.ts'
import { systemClock } from '../lib/clock.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'
import { createLog, type Log } from '../lib/log.ts'
import { followCertificateFiles, readCertificateFiles } from '../lib/certificate-files.ts'
import { parseWebhookConfig, type WebhookConfig } from '../webhook/config.ts'
import { type ContainerCredentialsIdentities, noIdentities } from '../webhook/identities.ts'
import { identitiesFile } from '../webhook/identities-file.ts'
import { webhookManifests, webhookServiceNames } from '../webhook/manifests.ts'
import { startWebhook } from '../webhook/webhook-app.ts'
import {
  readMutationFlags,
  type WebhookFlags,
  type WebhookManifestFlags,
} from './commands/webhook.ts'
import { stopSignal } from './stop-signal.ts'
import { VERSION } from './version.ts'

/** How long a certificate lives that `webhook manifests` makes. */
const CERTIFICATE_DAYS = 365

/** Runs until it is told to stop. */
export async function runWebhook(flags: WebhookFlags): Promise<number> {
  const { kubeconfig, context, logLevel, ...rest } = flags
  const config = parseWebhookConfig(rest)
  const log = createLog(logLevel)
  const access = await loadKubeAccess({
    environment: process.env,
    ...(kubeconfig !== undefined && { kubeconfig }),
    ...(context !== undefined && { context }),
  })
  const files = { cert: config.tlsCert, key: config.tlsKey }
  const certificate = await readCertificateFiles(files)
  const stopped = stopSignal()
  const webhook = await startWebhook({
    client: createKubeClient(access),
    identities: identitiesOf(config, log),
    config,
    certificate,
    hostname: '0.0.0.0',
    port: config.port,
    metrics: { hostname: config.metricsAddress, port: config.metricsPort },
    version: VERSION,
    log,
    clock: systemClock,
  })
  const following = followCertificateFiles({
    files,
    current: certificate,
    onChange: (next) => webhook.reload(next),
    log,
  })
  await stopped
  await following.stop()
  await webhook.stop()
  return 0
}

/**
 * Prints the objects. Inside a cluster they need a certificate whose authority the API server is
 * told of: where none is given, both are made here and the key goes into the Secret.
 */
export async function printWebhookManifests(
  words: readonly string[],
  flags: WebhookManifestFlags,
): Promise<void> {
  const { image, namespace, url, caFile, failurePolicy } = flags
  checkWebhookWords(words, url)
  if (failurePolicy !== 'Ignore' && failurePolicy !== 'Fail') {
    throw new PodroleError(
      'InvalidFailurePolicy',
      `failure policy ${JSON.stringify(failurePolicy)} is not one: wanted Ignore or Fail`,
    )
  }
  const own =
    caFile === undefined && url === undefined
      ? await makeCertificate(namespace)
      : { caBundle: caFile === undefined ? undefined : readFileSync(caFile, 'utf8') }
  process.stdout.write(
    toYaml(
      webhookManifests({
        image,
        namespace,
        failurePolicy,
        args: words,
        ...(url !== undefined && { url }),
        ...(own.caBundle !== undefined && { caBundle: own.caBundle }),
        ...('certificate' in own && { certificate: own.certificate }),
      }),
    ),
  )
}

/** A pod that does not start for a flag is found later than a command that does not print. */
function checkWebhookWords(words: readonly string[], url: string | undefined): void {
  if (words.length > 0 && url !== undefined) {
    throw new PodroleError(
      'WebhookOutside',
      'flags of podrole webhook are named, and --url says that it runs elsewhere',
      { hint: 'give them to that one' },
    )
  }
  let given: Record<string, unknown>
  try {
    given = readMutationFlags(words)
  } catch (error) {
    throw new PodroleError('InvalidWebhookFlag', messageOf(error).replace(/^error: /, ''), {
      hint: 'podrole webhook --help has the flags; where it listens is decided by the manifests',
    })
  }
  const { logLevel: _, ...config } = given
  parseWebhookConfig(config)
}

async function makeCertificate(
  namespace: string,
): Promise<{ caBundle: string; certificate: { cert: string; key: string } }> {
  const authority = await createCertificateAuthority({
    commonName: 'podrole-webhook',
    validDays: CERTIFICATE_DAYS,
  })
  const certificate = await authority.issue({
    names: webhookServiceNames(namespace),
    validDays: CERTIFICATE_DAYS,
  })
  return { caBundle: authority.cert, certificate }
}

function identitiesOf(config: WebhookConfig, log: Log): ContainerCredentialsIdentities {
  const path = config.watchContainerCredentialsConfig
  return path === '' ? noIdentities : identitiesFile({ path, log })
}
