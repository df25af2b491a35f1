/** `podrole issuer provider`: the same for each account that is named. */
import { openAccount } from '../aws/account.ts'
import { parseTags } from '../iam/tags.ts'
import { STS_AUDIENCE } from '../iam/trust-document.ts'
import { readOutsideNames } from '../issuer/outside/issuer-names.ts'
import {
  deleteProvider,
  ensureProvider,
  type ProviderPort,
  providerStatus,
} from '../issuer/provider.ts'
import { iamProviders } from '../issuer/provider-iam.ts'
import { checkDesiredProvider, checkProviderIssuer } from '../issuer/provider-plan.ts'
import { adviseThumbprints } from '../issuer/thumbprints.ts'
import { systemClock } from '../lib/clock.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'
import type {
  AccountFlags,
  ProviderCreateFlags,
  ProviderDeleteFlags,
  ProviderStatusFlags,
} from './commands/issuer-provider.ts'
import { printData } from './output.ts'

/** What came of one account. */
type Outcome<T> = { readonly account: string } & (
  | { readonly result: T }
  | { readonly fault: string; readonly hint?: string }
)

export async function createProviders(flags: ProviderCreateFlags): Promise<number> {
  const names = readOutsideNames(process.env)
  const given = {
    issuer: flags.issuer,
    clientIds: [...new Set(flags.clientId ?? [STS_AUDIENCE])],
    thumbprints: [...new Set((flags.thumbprint ?? []).map(readThumbprint))],
    tags: parseTags(flags.tag),
  }
  checkDesiredProvider(given)
  const advice =
    flags.thumbprint === undefined
      ? await adviseThumbprints(names, flags.issuer)
      : { thumbprints: given.thumbprints, reason: 'thumbprints as given' }
  const desired = { ...given, thumbprints: advice.thumbprints }
  process.stderr.write(`podrole: ${advice.reason}\n`)
  const outcomes = await inAccounts(flags, (port) =>
    ensureProvider(port, desired, { tellRoom: ({ text }) => printRoom(port.accountId, text) }),
  )
  const value = outcomes.map((outcome) => ({ ...outcome, thumbprints: advice.reason }))
  printData(flags.output, value, {
    columns: ['account', 'provider', 'done'],
    rows: outcomes.map((outcome) =>
      'fault' in outcome
        ? failedRow(outcome)
        : [
            outcome.account,
            outcome.result.arn,
            outcome.result.done.join('; ') || 'nothing: it was there as asked for',
          ],
    ),
  })
  return exitCodeOf(outcomes)
}

/** As IAM has it, whether it was written with colons or not. */
const readThumbprint = (text: string): string => text.replaceAll(':', '').toLowerCase()

export async function showProviders(flags: ProviderStatusFlags): Promise<number> {
  const names = readOutsideNames(process.env)
  const { issuer } = flags
  if (issuer !== undefined) checkProviderIssuer(issuer)
  const outcomes = await inAccounts(flags, (port) =>
    providerStatus(port, { names, ...(issuer !== undefined && { issuer }) }),
  )
  printData(flags.output, outcomes, {
    columns: ['account', 'issuer', 'client ids', 'trusted by', 'left over'],
    rows: outcomes.flatMap((outcome) =>
      'fault' in outcome
        ? [failedRow(outcome)]
        : outcome.result.providers.map((provider) => [
            outcome.account,
            provider.issuer,
            provider.clientIds.join(', '),
            provider.trustedBy.join(', ') || 'no role',
            provider.orphan.join('; ') || '-',
          ]),
    ),
  })
  for (const outcome of outcomes) {
    if ('fault' in outcome) continue
    const { providers, room } = outcome.result
    if (issuer !== undefined && providers.length === 0) {
      process.stderr.write(`podrole: account ${outcome.account} has no provider for ${issuer}\n`)
    }
    printRoom(outcome.account, room.text)
  }
  return exitCodeOf(outcomes)
}

const printRoom = (account: string, text: string): void =>
  void process.stderr.write(`podrole: account ${account} has ${text}\n`)

export async function deleteProviders(flags: ProviderDeleteFlags): Promise<number> {
  checkProviderIssuer(flags.issuer)
  const outcomes = await inAccounts(flags, (port) =>
    deleteProvider(port, flags.issuer, { isForced: flags.force }),
  )
  printData(flags.output, outcomes, {
    columns: ['account', 'provider', 'done'],
    rows: outcomes.map((outcome) => {
      if ('fault' in outcome) return failedRow(outcome)
      const { arn, existed, trustedBy } = outcome.result
      const lost = trustedBy.length === 0 ? '' : `; these roles trusted it: ${trustedBy.join(', ')}`
      return [outcome.account, arn, existed ? `deleted${lost}` : 'nothing: there was none']
    }),
  })
  return exitCodeOf(outcomes)
}

/**
 * Does the same in each account, one after another. All are opened before anything is done; one
 * that fails keeps none of the others from being done.
 */
async function inAccounts<T>(
  flags: AccountFlags,
  act: (port: ProviderPort) => Promise<T>,
): Promise<readonly Outcome<T>[]> {
  const region = flags.region === undefined ? {} : { region: flags.region }
  const accesses =
    flags.profile.length === 0 ? [region] : flags.profile.map((profile) => ({ ...region, profile }))
  const accounts = await Promise.all(accesses.map(openAccount))
  const outcomes: Outcome<T>[] = []
  for (const account of accounts) {
    const port = await iamProviders(account, { environment: process.env, clock: systemClock })
    try {
      outcomes.push({ account: account.accountId, result: await act(port) })
    } catch (error) {
      if (accounts.length === 1) throw error
      const hint = error instanceof PodroleError ? error.hint : undefined
      const fault = messageOf(error)
      outcomes.push({ account: account.accountId, fault, ...(hint !== undefined && { hint }) })
    }
  }
  return outcomes
}

const failedRow = (outcome: {
  readonly account: string
  readonly fault: string
  readonly hint?: string
}): readonly string[] => [
  outcome.account,
  'FAILED',
  outcome.hint === undefined ? outcome.fault : `${outcome.fault} (${outcome.hint})`,
]

const exitCodeOf = (outcomes: readonly Outcome<unknown>[]): number =>
  outcomes.some((outcome) => 'fault' in outcome) ? 1 : 0
