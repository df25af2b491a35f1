/** What enabling document 002's add-on needs of S3, IAM, the outside and the webhook's manifests. */
import type { AwsAccount } from '../../aws/account.ts'
import { STS_AUDIENCE } from '../../iam/trust-document.ts'
import { readApiServerKeys } from '../../issuer/cluster-keys.ts'
import type { PublicSigningKey } from '../../issuer/keys.ts'
import { readOutsideNames } from '../../issuer/outside/issuer-names.ts'
import { ensureProvider } from '../../issuer/provider.ts'
import { iamProviders } from '../../issuer/provider-iam.ts'
import { publish } from '../../issuer/publishing/publish.ts'
import { parseS3Place, placeName, s3IssuerOf, s3PlaceOf } from '../../issuer/publishing/s3-place.ts'
import { adviseThumbprints } from '../../issuer/thumbprints.ts'
import type { KubeClient } from '../../kube/client.ts'
import { systemClock } from '../../lib/clock.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import type {
  StepOutcome,
  WebhookInstallation,
  WorkloadIdentityPorts,
} from '../../manage/workload-identity/enable.ts'
import { isEksIssuer } from '../../manage/workload-identity/issuer.ts'
import { WEBHOOK_NAME } from '../../manage/workload-identity/look.ts'
import {
  CERTIFICATE_SECRET,
  WEBHOOK_NAMESPACE,
  webhookManifests,
  webhookServiceNames,
} from '../../webhook/manifests.ts'
import { printNote } from '../output.ts'
import { VERSION } from '../version.ts'
import { findFromOutside, hasErrors } from './outside-findings.ts'
import { checkPlace, openDestination, waitMsOf } from './publishing.ts'

/** How the issuer's keys come to where STS reads them. */
export interface PublishingFlags {
  /** `s3://BUCKET[/PREFIX]` or a folder; the issuer's own place in S3 if not given. */
  readonly to?: string
  readonly createBucket: boolean
  /** Whether the issuer is looked at from outside. */
  readonly check: boolean
  readonly profile?: string
  readonly region?: string
}

/** Others may keep the documents for so long. */
const MAX_AGE_SECONDS = 300

export interface WorkloadIdentityPlace {
  /** Where the cluster is. */
  readonly account: Pick<AwsAccount, 'partition' | 'accountId' | 'region'>
  readonly kube: KubeClient
  readonly flags: PublishingFlags
  readonly timeoutMs: number
  readonly tell: WorkloadIdentityPorts['tell']
}

/** @param maker in whose account its provider is made; undefined where somebody else makes it */
export function workloadIdentityPorts(
  place: WorkloadIdentityPlace,
  maker?: AwsAccount,
): WorkloadIdentityPorts {
  const { account, kube, timeoutMs, tell } = place
  return {
    kube,
    account,
    tell,
    clock: systemClock,
    publish: (issuer) => publishIssuer(place, issuer),
    ...(maker !== undefined && { provider: (issuer: string) => makeProvider(maker, issuer) }),
    webhook: webhookIn(account.region),
    wait: { timeoutMs, onProgress: printNote },
  }
}

/** The webhook as `podrole webhook manifests` has it, with the region that nothing else tells pods. */
export const webhookIn = (region: string): WebhookInstallation => ({
  defaults: {
    namespace: WEBHOOK_NAMESPACE,
    image: `podrole:${VERSION}`,
  },
  name: WEBHOOK_NAME,
  secretName: CERTIFICATE_SECRET,
  namesIn: webhookServiceNames,
  objects: ({ image, namespace }, own) =>
    webhookManifests({
      image,
      namespace,
      args: [`--aws-default-region=${region}`],
      certificate: own?.certificate ?? { cert: '', key: '' },
      caBundle: own?.caBundle ?? '',
    }),
})

async function publishIssuer(
  { flags, kube }: WorkloadIdentityPlace,
  issuer: string,
): Promise<StepOutcome> {
  if (isEksIssuer(issuer)) {
    return { isChange: false, lines: [`${issuer}: EKS publishes its keys`] }
  }
  const keys = await readApiServerKeys(kube)
  const seen = `seen from outside at ${issuer}`
  // Who finds them published needs no right to publish.
  if (flags.check && flags.to === undefined && (await isSeen(issuer, keys))) {
    return { isChange: false, lines: [seen] }
  }
  const { isChange, lines, place } = await publishKeys(flags, issuer, keys)
  if (!flags.check) return { isChange, lines: [...lines, 'not looked at from outside'] }
  await look(issuer, keys, place)
  return { isChange, lines: [...lines, seen] }
}

async function isSeen(issuer: string, keys: readonly PublicSigningKey[]): Promise<boolean> {
  const names = readOutsideNames(process.env)
  return !hasErrors(await findFromOutside({ issuer, keys }, { names, waitMs: 0 }))
}

async function publishKeys(
  flags: PublishingFlags,
  issuer: string,
  keys: readonly PublicSigningKey[],
): Promise<StepOutcome & { readonly place?: string }> {
  const own = s3PlaceOf(issuer)
  const to = flags.to ?? (own === undefined ? undefined : placeName(own.place))
  if (to === undefined) return { isChange: false, lines: [`${issuer}: published elsewhere`] }
  const region = flags.region ?? own?.region
  const isS3 = to.startsWith('s3://')
  const isOwnPlace = isS3 && region !== undefined && s3IssuerOf(parseS3Place(to), region) === issuer
  const place = {
    to,
    createBucket: flags.createBucket,
    acl: false,
    ...(isS3 && region !== undefined && { region }),
    ...(flags.profile !== undefined && { profile: flags.profile }),
    ...(!isOwnPlace && { issuerUrl: issuer }),
  }
  checkPlace(place)
  const { prepare, s3, store } = await openDestination(place)
  try {
    const wanted = {
      issuer,
      keys,
      mayDrop: [],
      keepPublished: true,
      maxAgeSeconds: MAX_AGE_SECONDS,
    }
    const { added, writes } = await publish(store, wanted, { prepare })
    const what = added.length === 0 ? 'documents' : `key ${added.join(', ')}`
    return writes.length === 0
      ? { place: to, isChange: false, lines: [`keys are published at ${to}`] }
      : { place: to, isChange: true, lines: [`${what} published at ${to}`] }
  } catch (error) {
    if (codeOf(error) !== 'NoSuchBucket') throw error
    throw new PodroleError('NoSuchBucket', messageOf(error), {
      hint: 'podrole addon enable awsWorkloadIdentity makes it with --create-bucket, and opens two documents in it.',
      cause: error,
    })
  } finally {
    s3?.open.close()
  }
}

/** @throws PodroleError `IssuerNotSeen` */
async function look(
  issuer: string,
  keys: readonly PublicSigningKey[],
  place: string | undefined,
): Promise<void> {
  const names = readOutsideNames(process.env)
  const waitMs = place === undefined ? 0 : waitMsOf({}, MAX_AGE_SECONDS * 1000)
  const findings = await findFromOutside({ issuer, keys }, { names, waitMs })
  if (!hasErrors(findings)) return
  const told = findings.filter(({ level }) => level === 'error').map(({ message }) => message)
  throw new PodroleError(
    'IssuerNotSeen',
    `STS could not use ${issuer} as it is seen from here: ${told.join('; ')}`,
    {
      hint: 'Publish its keys with podrole addon enable awsWorkloadIdentity --to s3://BUCKET[/PREFIX] or podrole issuer publish; --no-check skips the look.',
    },
  )
}

async function makeProvider(account: AwsAccount, issuer: string): Promise<StepOutcome> {
  const port = await iamProviders(account, { environment: process.env, clock: systemClock })
  const { thumbprints } = await adviseThumbprints(readOutsideNames(process.env), issuer)
  const desired = { issuer, clientIds: [STS_AUDIENCE], thumbprints, tags: {} }
  const { arn, done } = await ensureProvider(port, desired)
  return {
    isChange: done.length > 0,
    lines: [done.length === 0 ? `${arn} is there` : `${arn} ${done.join('; ')}`],
  }
}
