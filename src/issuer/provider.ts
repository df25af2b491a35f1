import { oidcProviderArn } from '../iam/arn.ts'
import { parseJsonDocument } from '../iam/json-document.ts'
import { memberOf, textOf, textsOf } from '../iam/trust-statements.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { mapLimited } from '../lib/map-limited.ts'
import { askUntil, IAM_PATIENCE, type Patience } from '../lib/waiting.ts'
import type { IssuerNames } from './outside/issuer-names.ts'
import {
  describeProviderStep,
  type DesiredProvider,
  type ObservedProvider,
  planProvider,
  type ProviderStep,
} from './provider-plan.ts'
import { faultOfIssuer } from './thumbprints.ts'

/** A role with its trust policy, as IAM stores it. */
export interface RoleTrust {
  readonly name: string
  readonly arn: string
  readonly trustPolicy: string
}

/** What podrole asks of IAM for one account's OIDC providers. Faults carry AWS's codes. */
export interface ProviderPort {
  readonly partition: string
  readonly accountId: string
  /** The ARNs of all. */
  list(): Promise<readonly string[]>
  /** Undefined where there is none with that ARN. */
  get(arn: string): Promise<ObservedProvider | undefined>
  create(provider: DesiredProvider): Promise<void>
  addClientId(arn: string, clientId: string): Promise<void>
  setThumbprints(arn: string, thumbprints: readonly string[]): Promise<void>
  tag(arn: string, tags: Readonly<Record<string, string>>): Promise<void>
  delete(arn: string): Promise<void>
  /** Every role of the account, page by page. */
  roles(): AsyncIterable<RoleTrust>
  quota(): Promise<{ readonly value: number; readonly isLive: boolean; readonly text: string }>
}

/** How many providers an account has and may have. */
export interface ProviderRoom {
  readonly used: number
  readonly quota: number
  readonly isLive: boolean
  /** One sentence. */
  readonly text: string
}

export interface EnsuredProvider {
  readonly arn: string
  /** What was done, one sentence each; none where everything was there. */
  readonly done: readonly string[]
  /** Before anything was done. */
  readonly room: ProviderRoom
}

/**
 * Makes the account's provider for an issuer, or gives it what it lacks.
 * @throws PodroleError `ProviderQuotaReached` and those of `planProvider`; ServiceFault
 */
export async function ensureProvider(
  port: ProviderPort,
  desired: DesiredProvider,
  options: {
    readonly patience?: Patience
    /** Called before anything is written. */
    readonly tellRoom?: (room: ProviderRoom) => void
  } = {},
): Promise<EnsuredProvider> {
  const arn = oidcProviderArn({ ...port, issuer: desired.issuer })
  const [provider, arns, quota] = await Promise.all([port.get(arn), port.list(), port.quota()])
  const used = arns.length
  const around = { partition: port.partition, accountId: port.accountId, used, quota }
  const room = roomOf(used, quota)
  options.tellRoom?.(room)
  try {
    const { steps } = planProvider(desired, { ...around, provider })
    return { arn, done: await actOn(port, arn, steps), room }
  } catch (error) {
    if (provider !== undefined || codeOf(error) !== 'EntityAlreadyExists') throw error
    // Somebody else made it just now, or IAM showed an older state.
    const found = await askUntil(
      () => port.get(arn),
      (one) => one !== undefined,
      options.patience ?? IAM_PATIENCE,
    )
    if (found === undefined) throw error
    const { steps } = planProvider(desired, { ...around, provider: found })
    return { arn, done: await actOn(port, arn, steps), room }
  }
}

async function actOn(
  port: ProviderPort,
  arn: string,
  steps: readonly ProviderStep[],
): Promise<readonly string[]> {
  const done: string[] = []
  for (const step of steps) {
    try {
      await actOnStep(port, arn, step)
    } catch (error) {
      throw stepFault(arn, { step, done, error })
    }
    done.push(describeProviderStep(step))
  }
  return done
}

async function actOnStep(port: ProviderPort, arn: string, step: ProviderStep): Promise<void> {
  switch (step.step) {
    case 'create':
      return port.create(step.provider)
    case 'add-client-id':
      return port.addClientId(arn, step.clientId)
    case 'set-thumbprints':
      return port.setThumbprints(arn, step.thumbprints)
    case 'tag':
      return port.tag(arn, step.tags)
    default:
      return step satisfies never
  }
}

function stepFault(
  arn: string,
  at: { readonly step: ProviderStep; readonly done: readonly string[]; readonly error: unknown },
): unknown {
  const { done, error, step } = at
  if (codeOf(error) === 'OpenIdIdpCommunicationError') {
    return new PodroleError(
      'OpenIdIdpCommunicationError',
      `IAM could not read the certificate of the issuer: ${messageOf(error)}`,
      {
        hint: 'Publish the issuer first, or give the thumbprint with --thumbprint.',
        cause: error,
      },
    )
  }
  if (step.step === 'create' || done.length === 0) return error
  return new PodroleError(
    codeOf(error) ?? 'ProviderStepFailed',
    `${arn}: ${done.join('; ')}; then it failed: ${messageOf(error)}`,
    { hint: 'Run the same command again: it goes on from there.', cause: error },
  )
}

/** A provider with who trusts it and whether its issuer can be read. */
export interface ProviderStatus extends ObservedProvider {
  /** Names of the roles whose trust policies name it. */
  readonly trustedBy: readonly string[]
  /** Why the issuer cannot be read from here; undefined where it can. */
  readonly issuerFault?: string
  /** Why it looks left over; none where it does not. */
  readonly orphan: readonly string[]
}

const MAX_AT_ONCE = 5

/**
 * An account's providers, all or that of one issuer, with those that look left over marked: no role
 * trusts them, or nobody answers for their issuer.
 * @throws ServiceFault
 */
export async function providerStatus(
  port: ProviderPort,
  options: { readonly names: IssuerNames; readonly issuer?: string },
): Promise<{ readonly room: ProviderRoom; readonly providers: readonly ProviderStatus[] }> {
  const { issuer, names } = options
  const only = issuer === undefined ? undefined : oidcProviderArn({ ...port, issuer })
  const [arns, quota, trusts] = await Promise.all([
    port.list(),
    port.quota(),
    rolesByProvider(port),
  ])
  const asked = only === undefined ? arns : [only]
  const providers = await mapLimited(asked, MAX_AT_ONCE, async (arn) => {
    const provider = await port.get(arn)
    if (provider === undefined) return []
    const fault = await faultOfIssuer(names, provider.issuer, provider.thumbprints)
    const trustedBy = trusts.get(arn) ?? []
    const orphan = [
      ...(trustedBy.length === 0 ? ['no role trusts it'] : []),
      ...(fault === undefined ? [] : ['its issuer does not answer']),
    ]
    return [{ ...provider, trustedBy, orphan, ...(fault !== undefined && { issuerFault: fault }) }]
  })
  return { room: roomOf(arns.length, quota), providers: providers.flat() }
}

/**
 * Deletes the provider of an issuer; what was there. Roles that trust it lose their way in, so it
 * is refused while there are any, unless it is forced.
 * @throws PodroleError `ProviderInUse`, naming the roles; ServiceFault
 */
export async function deleteProvider(
  port: ProviderPort,
  issuer: string,
  options: { readonly isForced: boolean },
): Promise<{
  readonly arn: string
  readonly existed: boolean
  readonly trustedBy: readonly string[]
}> {
  const arn = oidcProviderArn({ ...port, issuer })
  if ((await port.get(arn)) === undefined) return { arn, existed: false, trustedBy: [] }
  const trustedBy = (await rolesByProvider(port)).get(arn) ?? []
  if (trustedBy.length > 0 && !options.isForced) {
    throw new PodroleError(
      'ProviderInUse',
      `${arn} is trusted by ${trustedBy.length} role(s): ${trustedBy.join(', ')}`,
      {
        hint: "Take it out of their trust policies ('podrole role trust remove'), or --force: their pods are refused then.",
      },
    )
  }
  await port.delete(arn)
  return { arn, existed: true, trustedBy }
}

/** The names of the roles that trust each provider, by its ARN. */
async function rolesByProvider(
  port: ProviderPort,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const byProvider = new Map<string, string[]>()
  for await (const { name, trustPolicy } of port.roles()) {
    for (const arn of trustedProviders(trustPolicy)) {
      const names = byProvider.get(arn) ?? []
      byProvider.set(arn, names)
      names.push(name)
    }
  }
  return byProvider
}

/** The federated principals of Allow statements; none of a policy that cannot be read. */
export function trustedProviders(trustPolicy: string): readonly string[] {
  const statement = memberOf(readOrNothing(trustPolicy), 'Statement')
  const statements = statement?.kind === 'array' ? statement.items : [statement]
  const found = statements
    .filter((one) => textOf(memberOf(one, 'Effect')) === 'Allow')
    .flatMap((one) => textsOf(memberOf(memberOf(one, 'Principal'), 'Federated')) ?? [])
  return [...new Set(found)]
}

function readOrNothing(text: string): ReturnType<typeof parseJsonDocument> | undefined {
  try {
    return parseJsonDocument(text)
  } catch {
    return undefined
  }
}

function roomOf(
  used: number,
  quota: { readonly value: number; readonly isLive: boolean; readonly text: string },
): ProviderRoom {
  const left = Math.max(0, quota.value - used)
  return {
    used,
    quota: quota.value,
    isLive: quota.isLive,
    text: `${used} IAM OIDC provider(s), quota ${quota.text}: room for ${left} more`,
  }
}
