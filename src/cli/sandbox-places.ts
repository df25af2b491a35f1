/** The accounts and clusters of `podrole sandbox`, as they are typed. */
import { resolve } from 'node:path'
import { PodroleError } from '../lib/errors.ts'
import type { ClusterRequest } from '../sandbox/sandbox.ts'
import type { SandboxFlags } from './commands/sandbox.ts'

/** @throws PodroleError `InvalidAccountId` */
export function accountsOf(flags: SandboxFlags): readonly string[] {
  const ids = flags.accountId.length > 0 ? flags.accountId : ['111122223333']
  for (const id of ids) {
    if (!/^\d{12}$/.test(id)) {
      throw new PodroleError(
        'InvalidAccountId',
        `account id ${JSON.stringify(id)} is not one: wanted 12 digits`,
      )
    }
  }
  return [...new Set(ids)]
}

/** @throws PodroleError `UnknownAccount` where the sandbox does not have it */
export function checkAccount(
  accountId: string,
  accountIds: readonly string[],
  where: string,
): void {
  if (accountIds.includes(accountId)) return
  throw new PodroleError(
    'UnknownAccount',
    `${where} is for account ${accountId}, which the sandbox does not have: wanted one of ${accountIds.join(', ')}`,
    { hint: `add --account-id ${accountId}` },
  )
}

/** @throws PodroleError `InvalidCluster`, `UnknownAccount` */
export function clustersOf(
  flags: SandboxFlags,
  accountIds: readonly string[],
): readonly ClusterRequest[] {
  const common = flags.nodes === undefined ? {} : { nodes: flags.nodes }
  const eks = flags.cluster.map((text): ClusterRequest => {
    const { account, rest } = splitAccount(text, accountIds, 'cluster')
    const [name = '', region = flags.region] = rest.split('@')
    return { name: clusterName(name), region, kind: 'eks', ...account, ...common }
  })
  const selfManaged = flags.selfManagedCluster.map((text): ClusterRequest => {
    const { account, rest } = splitAccount(text, accountIds, 'self-managed cluster')
    const at = rest.indexOf('=')
    if (at < 1 || !rest.slice(at + 1).startsWith('https://')) {
      throw new PodroleError(
        'InvalidCluster',
        `self-managed cluster ${JSON.stringify(text)} is not one: wanted [ACCOUNT/]NAME=https://ISSUER`,
        { hint: `for example --self-managed-cluster edge=https://edge.issuer.sandbox` },
      )
    }
    return {
      name: clusterName(rest.slice(0, at)),
      region: flags.region,
      kind: 'self-managed',
      issuer: rest.slice(at + 1),
      ...account,
      ...common,
    }
  })
  const all = [...eks, ...selfManaged]
  const twice = all.find((one, index) => all.findIndex(({ name }) => name === one.name) !== index)
  if (twice !== undefined) {
    throw new PodroleError(
      'InvalidCluster',
      `cluster ${JSON.stringify(twice.name)} is named twice`,
      { hint: "a name is one cluster's, whatever its account and region" },
    )
  }
  return all
}

/**
 * The signers of clusters, by the clusters' names.
 * @throws PodroleError `InvalidSigningEndpoint`
 */
export function signingEndpointsOf(
  { serviceAccountSigningEndpoint: texts }: Pick<SandboxFlags, 'serviceAccountSigningEndpoint'>,
  clusters: readonly ClusterRequest[],
): ReadonlyMap<string, string> {
  const known = new Map(clusters.map(({ name, kind }) => [name, kind]))
  return new Map(
    texts.map((text) => {
      const [, name = '', socket = ''] = /^([^=]+)=(.+)$/s.exec(text) ?? []
      if (known.get(name) === 'self-managed') return [name, resolve(socket)]
      throw new PodroleError(
        'InvalidSigningEndpoint',
        `signing endpoint ${JSON.stringify(text.slice(0, 300))} is not one: wanted NAME=SOCKET of a --self-managed-cluster`,
        { hint: 'EKS signs for its clusters itself' },
      )
    }),
  )
}

/** The account that stands before a cluster's name; the sandbox's first where there is none. */
function splitAccount(
  text: string,
  accountIds: readonly string[],
  what: string,
): { readonly account: { readonly accountId?: string }; readonly rest: string } {
  const [, accountId, rest = text] = /^(\d{12})\/(.*)$/s.exec(text) ?? []
  if (accountId === undefined) return { account: {}, rest: text }
  checkAccount(accountId, accountIds, `${what} ${JSON.stringify(text)}`)
  return { account: { accountId }, rest }
}

function clusterName(name: string): string {
  if (/^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$/.test(name)) return name
  throw new PodroleError(
    'InvalidCluster',
    `cluster name ${JSON.stringify(name)} is not one: wanted 1 to 100 letters, digits, - and _`,
  )
}
