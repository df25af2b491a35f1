/** IAM OIDC providers as the model knows them. */
import { type Members, type Operation, type Outcome, textOf } from './operations.suite.ts'
import type { Step } from './roles.suite.ts'
import { checkArn, checkTags, isMissing, tagRows, tagsMember, withoutKeys } from './shapes.suite.ts'
import { checkTagKeys } from './tagging.suite.ts'
import { accountOf, DONE, Faults, type Provider, type World } from './world.suite.ts'

/**
 * The URL that names a provider, without its scheme. IAM User Guide, "Create an OpenID Connect
 * identity provider": https, no query, no port; the default one is dropped.
 */
function nameOfUrl(url: string): string | undefined {
  if (!url.startsWith('https://') || /[?#\s]/.test(url)) return undefined
  const rest = url.slice('https://'.length)
  const slash = rest.includes('/') ? rest.indexOf('/') : rest.length
  const [host = '', port] = rest.slice(0, slash).split(':')
  if (!/^[a-zA-Z0-9]/.test(host) || (port !== undefined && port !== '443')) return undefined
  return host + rest.slice(slash)
}

const listOf = (input: Members, name: string): readonly string[] =>
  (input[name] ?? []) as readonly string[]

function checkThumbprints(world: World, faults: Faults, input: Members): readonly string[] {
  const thumbprints = listOf(input, 'ThumbprintList')
  for (const one of thumbprints) {
    faults.shape(one.length !== 40)
    faults.add(!/^[0-9a-fA-F]*$/.test(one), 'InvalidInput')
  }
  faults.add(thumbprints.length > world.quotas.thumbprintsPerProvider, 'InvalidInput')
  return thumbprints.map((one) => one.toLowerCase())
}

function checkClientIds(world: World, faults: Faults, ids: readonly string[]): readonly string[] {
  for (const id of ids) faults.shape(id.length < 1 || id.length > 255)
  const different = [...new Set(ids)]
  faults.add(different.length > world.quotas.clientIdsPerProvider, 'LimitExceeded')
  return different
}

const createProvider: Step = (world, { accountId, input }) => {
  const faults = new Faults()
  const given = textOf(input, 'Url')
  faults.shape(isMissing(input, 'Url') || given.length < 1 || given.length > 255)
  const url = nameOfUrl(given)
  faults.add(url === undefined, 'InvalidInput')
  const clientIds = checkClientIds(world, faults, listOf(input, 'ClientIDList'))
  const thumbprints = checkThumbprints(world, faults, input)
  const tags = checkTags(world, faults, input, { known: new Map(), foldsCase: false })
  const { providers } = accountOf(world, accountId)
  const arn = `arn:aws:iam::${accountId}:oidc-provider/${url}`
  faults.add(providers.has(arn), 'EntityAlreadyExists')
  faults.add(providers.size >= world.quotas.oidcProviders, 'LimitExceeded')
  if (faults.refusal !== undefined) return faults.refusal
  const createdSeconds = Math.floor(world.nowMs / 1000)
  providers.set(arn, { arn, url: url ?? '', clientIds, thumbprints, tags, createdSeconds })
  return { members: { OpenIDConnectProviderArn: arn, ...tagsMember(tags) } }
}

/** A step for the provider that the ARN names. */
const forProvider =
  (
    act: (at: {
      readonly world: World
      readonly provider: Provider
      readonly input: Members
      readonly faults: Faults
    }) => () => Outcome,
  ): Step =>
  (world, operation) => {
    const faults = new Faults()
    const provider = findProvider(world, faults, operation)
    faults.add(provider === undefined, 'NoSuchEntity')
    const finish = act({ world, provider: provider ?? NONE, input: operation.input, faults })
    return faults.refusal ?? finish()
  }

const NONE: Provider = {
  arn: '',
  url: '',
  clientIds: [],
  thumbprints: [],
  tags: new Map(),
  createdSeconds: 0,
}

function findProvider(
  world: World,
  faults: Faults,
  { accountId, input }: Operation,
): Provider | undefined {
  const arn = checkArn(faults, input, 'OpenIDConnectProviderArn')
  faults.add(!/^arn:aws:iam::\d{12}:oidc-provider\//.test(arn), 'InvalidInput')
  return accountOf(world, accountId).providers.get(arn)
}

export const PROVIDER_STEPS: Readonly<Record<string, Step>> = {
  CreateOpenIDConnectProvider: createProvider,
  GetOpenIDConnectProvider: forProvider(({ provider }) => () => ({
    members: {
      Url: provider.url,
      ClientIDList: [...provider.clientIds].sort(),
      ThumbprintList: [...provider.thumbprints].sort(),
      CreateDate: provider.createdSeconds,
      ...tagsMember(provider.tags),
    },
  })),
  ListOpenIDConnectProviders: (world, { accountId }) => ({
    members: {
      OpenIDConnectProviderList: [...accountOf(world, accountId).providers.keys()]
        .sort()
        .map((Arn) => ({ Arn })),
    },
  }),
  // Idempotent: one that is not there is no error.
  DeleteOpenIDConnectProvider: (world, operation) => {
    const faults = new Faults()
    const provider = findProvider(world, faults, operation)
    if (faults.refusal !== undefined) return faults.refusal
    accountOf(world, operation.accountId).providers.delete(provider?.arn ?? '')
    return DONE
  },
  AddClientIDToOpenIDConnectProvider: forProvider(({ world, provider, input, faults }) => {
    const id = textOf(input, 'ClientID')
    const clientIds = checkClientIds(world, faults, [...provider.clientIds, id])
    return () => {
      provider.clientIds = clientIds
      return DONE
    }
  }),
  RemoveClientIDFromOpenIDConnectProvider: forProvider(({ provider, input, faults }) => {
    const id = textOf(input, 'ClientID')
    faults.shape(id.length < 1 || id.length > 255)
    return () => {
      provider.clientIds = provider.clientIds.filter((one) => one !== id)
      return DONE
    }
  }),
  UpdateOpenIDConnectProviderThumbprint: forProvider(({ world, provider, input, faults }) => {
    const thumbprints = checkThumbprints(world, faults, input)
    faults.add(thumbprints.length === 0, 'InvalidInput', 'ValidationError')
    return () => {
      provider.thumbprints = thumbprints
      return DONE
    }
  }),
  TagOpenIDConnectProvider: forProvider(({ world, provider, input, faults }) => {
    const tags = checkTags(world, faults, input, { known: provider.tags, foldsCase: false })
    return () => {
      provider.tags = tags
      return DONE
    }
  }),
  UntagOpenIDConnectProvider: forProvider(({ world, provider, input, faults }) => {
    const keys = checkTagKeys(world, faults, input)
    return () => {
      provider.tags = withoutKeys(provider.tags, keys, false)
      return DONE
    }
  }),
  ListOpenIDConnectProviderTags: forProvider(({ provider }) => () => ({
    members: { Tags: tagRows(provider.tags) },
  })),
}
