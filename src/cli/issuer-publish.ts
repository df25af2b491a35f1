import { oidcProviderArn } from '../iam/arn.ts'
import { partitionOfRegion } from '../iam/partitions.ts'
import { JWKS_PATH } from '../issuer/documents.ts'
import { type IssuerUrl, parseIssuerUrl } from '../issuer/issuer-url.ts'
import type { PublicSigningKey } from '../issuer/keys.ts'
import type { OutsideFinding } from '../issuer/outside/findings.ts'
import { type IssuerNames, readOutsideNames } from '../issuer/outside/issuer-names.ts'
import type { OpenS3 } from '../issuer/publishing/open-s3.ts'
import type { PublishPlan } from '../issuer/publishing/plan.ts'
import { publish } from '../issuer/publishing/publish.ts'
import { placeName } from '../issuer/publishing/s3-place.ts'
import { parseDurationMs } from '../lib/durations.ts'
import { messageOf } from '../lib/errors.ts'
import type { PublishFlags } from './commands/issuer.ts'
import { printData, printNote } from './output.ts'
import { namesKeys, readKeySources, withRequestedCopy } from './parts/key-sources.ts'
import { findFromOutside, hasErrors, printFindings } from './parts/outside-findings.ts'
import {
  checkPlace,
  contradiction,
  type Destination,
  openDestination,
  tellWritten,
  waitMsOf,
} from './parts/publishing.ts'

/** What is told in the end. */
interface PublishResult {
  readonly issuerUrl: string
  readonly issuerHostPath: string
  readonly place: string
  readonly s3Bucket?: string
  readonly region?: string
  readonly oidcProviderArn?: string
  readonly kids?: readonly string[]
  readonly added?: readonly string[]
  readonly dropped?: readonly string[]
  /** Paths of the documents that were written, in that order. */
  readonly written?: readonly string[]
  /** Of the look from outside. */
  readonly findings?: readonly OutsideFinding[]
}

/** The exit code: 1 where what was published is not seen from outside as it should be. */
export async function runPublish(files: readonly string[], flags: PublishFlags): Promise<number> {
  checkPlace(flags)
  if (flags.bucketOnly && namesKeys(files, flags)) {
    throw contradiction(
      '--bucket-only publishes nothing, and keys are named',
      'leave one of them out',
    )
  }
  const maxAgeMs = parseDurationMs(flags.maxAge)
  const waitMs = waitMsOf(flags, maxAgeMs)
  const names = readOutsideNames(process.env)
  if (flags.issuerUrl !== undefined) parseIssuerUrl(flags.issuerUrl)
  const keys = flags.bucketOnly ? [] : withRequestedCopy(await readKeySources(files, flags), flags)
  const destination = await openDestination(flags)
  try {
    if (flags.bucketOnly) {
      await destination.prepare(true)
      printResult(flags, await resultOf(destination))
      return 0
    }
    const plan = await publish(
      destination.store,
      {
        issuer: destination.issuer.issuer,
        keys,
        mayDrop: flags.dropKey,
        keepPublished: flags.keepPublished,
        maxAgeSeconds: Math.floor(maxAgeMs / 1000),
      },
      { prepare: destination.prepare },
    )
    tellWritten(destination.store.place, plan)
    const result = { ...(await resultOf(destination)), ...outcomeOf(plan) }
    if (!flags.check) {
      printResult(flags, result)
      return 0
    }
    const findings = await look(destination.issuer, plan.keys, { names, waitMs })
    // Half a result would be taken for a whole one by `eval`, which drops the exit code.
    const isHalf = hasErrors(findings) && flags.output === 'env'
    if (!isHalf) printResult(flags, { ...result, findings })
    return hasErrors(findings) ? 1 : 0
  } finally {
    destination.s3?.open.close()
  }
}

async function look(
  { issuer }: IssuerUrl,
  keys: readonly PublicSigningKey[],
  how: { readonly names: IssuerNames; readonly waitMs: number },
): Promise<readonly OutsideFinding[]> {
  const findings = await findFromOutside({ issuer, keys, jwksUri: issuer + JWKS_PATH }, how)
  printFindings(findings)
  if (hasErrors(findings)) {
    printNote(
      `published, but STS could not use ${issuer} as it is seen from here; --no-check skips the look where this machine has no way there`,
    )
  } else {
    printNote(`seen from outside at ${issuer}`)
  }
  return findings
}

async function resultOf({ issuer, store, s3 }: Destination): Promise<PublishResult> {
  const result = {
    issuerUrl: issuer.issuer,
    issuerHostPath: issuer.hostPath,
    place: store.place,
  }
  if (s3 === undefined) return result
  const { region } = s3.open
  const arn = await providerArnOf(issuer, s3.open)
  return {
    ...result,
    place: placeName(s3.place),
    s3Bucket: s3.place.bucket,
    region,
    ...(arn !== undefined && { oidcProviderArn: arn }),
  }
}

/** That the issuer's IAM OIDC provider has, or will have, in the caller's account. */
async function providerArnOf({ issuer }: IssuerUrl, open: OpenS3): Promise<string | undefined> {
  try {
    const { id: partition } = partitionOfRegion(open.region)
    return oidcProviderArn({ partition, accountId: await open.accountId(), issuer })
  } catch (error) {
    printNote(`the account is not known, so there is no provider's ARN: ${messageOf(error)}`)
    return undefined
  }
}

const outcomeOf = ({ keys, added, dropped, writes }: PublishPlan): Partial<PublishResult> => ({
  kids: keys.map(({ kid }) => kid),
  added,
  dropped,
  written: writes.map(({ path }) => path.slice(1)),
})

function printResult({ output }: PublishFlags, result: PublishResult): void {
  if (output === 'env') {
    process.stdout.write(environmentOf(result))
    return
  }
  const { findings = [], ...rest } = result
  printData(output, result, {
    columns: ['what', 'value'],
    rows: [
      ...Object.entries(rest).map(([name, value]) => [name, [value].flat().join(', ')]),
      ...findings.map(({ level, code }) => [level, code]),
    ],
  })
}

/** Lines for `eval`, with the names that EKS Anywhere's document uses. */
function environmentOf(result: PublishResult): string {
  const values = {
    ISSUER_URL: result.issuerUrl,
    ISSUER_HOSTPATH: result.issuerHostPath,
    S3_BUCKET: result.s3Bucket,
    OIDC_PROVIDER_ARN: result.oidcProviderArn,
  }
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `export ${name}=${shellQuoted(value ?? '')}\n`)
    .join('')
}

const shellQuoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`
