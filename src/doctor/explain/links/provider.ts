/** The IAM OIDC provider of the token's issuer, in the account of the role. */
import { oidcProviderArn, tryParseArn } from '../../../iam/arn.ts'
import { STS_AUDIENCE } from '../../../iam/trust-document.ts'
import { valueOf } from '../../facts/fact.ts'
import type { ProviderFact, WorkloadFacts } from '../../facts/workload-facts.ts'
import { desiredOnEks } from '../desired.ts'
import { command, commands, withProfile } from '../fix.ts'
import { privateHosts, type TopCertificate } from '../thumbprint.ts'
import { broken, type LinkVerdict, notApplicable, notKnown, ok } from '../verdict.ts'
import { hostPathOf, type Way } from '../../facts/way.ts'

export function providerLink(facts: WorkloadFacts, way: Way): LinkVerdict {
  const { asksSts, roleArn, token } = way
  if (!asksSts) return notApplicable('provider', 'no IAM OIDC provider is asked')
  if (token === undefined || hostPathOf(token.issuer) === undefined) {
    return notKnown('provider', 'which issuer it would be of is not known')
  }
  const accountId = tryParseArn(roleArn ?? '')?.accountId
  if (accountId !== undefined && accountId !== facts.account.accountId) {
    return notKnown(
      'provider',
      `the role is in account ${accountId}, and these credentials are of ${facts.account.accountId}: give credentials of it with --role-profile`,
    )
  }
  if (!facts.provider.known) {
    return notKnown('provider', `the provider cannot be read: ${facts.provider.why}`)
  }
  const provider = facts.provider.value
  if (provider === undefined) return missing(facts, token)
  const audience = token.authorizedParty ?? token.audiences[0] ?? ''
  if (!provider.clientIds.includes(audience)) {
    return broken('provider', 'provider-lacks-audience', {
      text: `${provider.arn} does not take tokens for ${audience}`,
      found: provider.clientIds.join(', ') || 'no client id',
      wanted: audience,
      fix: withProfile(
        commands('add the audience to the provider', create(token.issuer, audience)),
        facts.account.profile,
      ),
    })
  }
  const seen = valueOf(facts.outside)
  const hidden = seen === undefined ? [] : privateHosts(seen)
  const lacking = hidden.filter(({ thumbprint }) => !holds(provider, thumbprint))
  if (lacking.length > 0)
    return withoutThumbprint(facts, { provider, audience, hidden, lacking }, token)
  return ok('provider', `account ${facts.account.accountId} knows the issuer, for ${audience}`, {
    evidence: [
      provider.arn,
      `client ids: ${provider.clientIds.join(', ')}`,
      ...hidden.map(
        ({ host, thumbprint }) =>
          `no public authority vouches for ${host}: its thumbprint ${thumbprint} does`,
      ),
    ],
    warnings: otherIssuer(facts, token.issuer),
  })
}

const holds = ({ thumbprints }: ProviderFact, wanted: string): boolean =>
  thumbprints.some((one) => one.toLowerCase() === wanted)

/** Of a provider (IAM and STS quotas). */
const MAX_THUMBPRINTS = 5

function withoutThumbprint(
  { account }: WorkloadFacts,
  found: {
    readonly provider: ProviderFact
    readonly audience: string
    readonly hidden: readonly TopCertificate[]
    readonly lacking: readonly TopCertificate[]
  },
  { issuer }: NonNullable<Way['token']>,
): LinkVerdict {
  const { audience, hidden, lacking, provider } = found
  const wanted = lacking.map(({ thumbprint }) => thumbprint)
  const where = lacking.map(({ host }) => host).join(' and ')
  const isFull = provider.thumbprints.length + wanted.length > MAX_THUMBPRINTS
  const options = wanted.flatMap((one) => ['--thumbprint', one])
  // The list is replaced as a whole: what vouches for the other host has to stay.
  const line = isFull
    ? command(
        'aws',
        'iam',
        'update-open-id-connect-provider-thumbprint',
        '--open-id-connect-provider-arn',
        provider.arn,
        '--thumbprint-list',
        ...new Set(hidden.map(({ thumbprint }) => thumbprint)),
      )
    : `${create(issuer, audience)} ${command(...options)}`
  return broken('provider', 'provider-lacks-thumbprint', {
    text: `no public authority vouches for ${where} as it is seen from here, and ${provider.arn} has no thumbprint of its last certificate`,
    found: provider.thumbprints.join(', ') || 'no thumbprint',
    wanted: wanted.join(', '),
    fix: withProfile(
      commands(
        'see that no proxy on the way from here puts its own certificate in place of that of the issuer, then give the provider the thumbprint',
        line,
      ),
      account.profile,
    ),
  })
}

function otherIssuer({ error }: WorkloadFacts, issuer: string): readonly string[] {
  const named = error?.issuer
  if (named === undefined || named === issuer) return []
  return [
    `the message names ${named}, and this cluster's tokens are of ${issuer}: is it this pod's?`,
  ]
}

function missing(facts: WorkloadFacts, token: NonNullable<Way['token']>): LinkVerdict {
  const { account } = facts
  const { issuer } = token
  const audience = token.audiences[0] ?? ''
  const wanted = oidcProviderArn({ ...account, issuer })
  const near = valueOf(facts.providerArns)?.find((arn) => isNear(arn, wanted))
  const fix = withProfile(
    commands("make a provider with the tokens' own URL", create(issuer, audience)),
    account.profile,
  )
  if (near !== undefined) {
    return broken('provider', 'provider-url-differs', {
      text: `account ${account.accountId} has the provider ${near}, and the tokens' iss is ${issuer}`,
      found: near,
      wanted,
      fix,
    })
  }
  // The file says nothing of an audience: what it makes is for STS's own.
  const desired =
    audience === STS_AUDIENCE &&
    account.profile === undefined &&
    valueOf(facts.cluster.issuer) === issuer
      ? desiredOnEks(facts, 'make the provider of the cluster', { iam: { withOIDC: true } })
      : undefined
  return broken('provider', 'provider-missing', {
    text: `account ${account.accountId}, which the role is in, has no IAM OIDC provider for ${issuer}`,
    found: 'none',
    wanted,
    fix: desired ?? fix,
  })
}

/** But for case, a slash at the end and the port, which nobody sees at a glance. */
const isNear = (arn: string, wanted: string): boolean => plain(arn) === plain(wanted)
const plain = (arn: string): string =>
  arn
    .toLowerCase()
    .replace(/:443(?=\/|$)/, '')
    .replace(/\/$/, '')

const create = (issuer: string, audience: string): string =>
  command('podrole', 'issuer', 'provider', 'create', '--issuer', issuer, '--client-id', audience)
