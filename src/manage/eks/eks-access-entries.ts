import type { AccessEntry as WireEntry, AssociatedAccessPolicy } from '@aws-sdk/client-eks'
import { PodroleError } from '../../lib/errors.ts'
import type {
  AccessEntry,
  AccessEntryPort,
  AccessPolicy,
  AccessScope,
} from './access-entry-port.ts'
import { eksTagging } from './eks-associations.ts'
import type { EksClient } from './eks-client.ts'

/** The access entries of a cluster. */
export function eksAccessEntries(eks: EksClient, clusterName: string): AccessEntryPort {
  const { call, sdk } = eks
  const of = `of cluster ${clusterName}`
  return {
    place: eks.place,
    list: () =>
      eks.all(`ListAccessEntries ${of}`, async (client, nextToken) => {
        const page = await client.send(new sdk.ListAccessEntriesCommand({ clusterName, nextToken }))
        return { items: page.accessEntries, nextToken: page.nextToken }
      }),
    describe: (principalArn) =>
      call(`DescribeAccessEntry ${principalArn} ${of}`, async (client) =>
        entryOf(
          await client.send(new sdk.DescribeAccessEntryCommand({ clusterName, principalArn })),
        ),
      ),
    policiesOf: (principalArn) =>
      eks.all(`ListAssociatedAccessPolicies ${principalArn} ${of}`, async (client, nextToken) => {
        const input = { clusterName, principalArn, nextToken }
        const page = await client.send(new sdk.ListAssociatedAccessPoliciesCommand(input))
        return { items: page.associatedAccessPolicies?.map(policyOf), nextToken: page.nextToken }
      }),
    create: ({ kubernetesGroups, tags = {}, ...entry }) =>
      call(`CreateAccessEntry ${entry.principalArn} ${of}`, async (client) => {
        const input = {
          clusterName,
          ...entry,
          tags: { ...tags },
          ...(kubernetesGroups !== undefined && { kubernetesGroups: [...kubernetesGroups] }),
        }
        return entryOf(await client.send(new sdk.CreateAccessEntryCommand(input)))
      }),
    update: (principalArn, { kubernetesGroups, username }) =>
      call(`UpdateAccessEntry ${principalArn} ${of}`, async (client) => {
        const input = {
          clusterName,
          principalArn,
          ...(username !== undefined && { username }),
          ...(kubernetesGroups !== undefined && { kubernetesGroups: [...kubernetesGroups] }),
        }
        return entryOf(await client.send(new sdk.UpdateAccessEntryCommand(input)))
      }),
    delete: (principalArn) =>
      call(`DeleteAccessEntry ${principalArn} ${of}`, async (client) => {
        await client.send(new sdk.DeleteAccessEntryCommand({ clusterName, principalArn }))
      }),
    ...policies(eks, clusterName),
    tagging: eksTagging(eks),
  }
}

function policies(
  eks: EksClient,
  clusterName: string,
): Pick<AccessEntryPort, 'associate' | 'disassociate' | 'knownPolicies'> {
  const { call, sdk } = eks
  const of = `of cluster ${clusterName}`
  return {
    associate: (principalArn, { accessScope, policyArn }) =>
      call(`AssociateAccessPolicy ${policyArn} ${principalArn} ${of}`, async (client) => {
        const scope =
          accessScope.type === 'cluster'
            ? accessScope
            : { type: accessScope.type, namespaces: [...accessScope.namespaces] }
        const input = { clusterName, principalArn, policyArn, accessScope: scope }
        await client.send(new sdk.AssociateAccessPolicyCommand(input))
      }),
    disassociate: (principalArn, policyArn) =>
      call(`DisassociateAccessPolicy ${policyArn} ${principalArn} ${of}`, async (client) => {
        const input = { clusterName, principalArn, policyArn }
        await client.send(new sdk.DisassociateAccessPolicyCommand(input))
      }),
    knownPolicies: () =>
      eks.all('ListAccessPolicies', async (client, nextToken) => {
        const page = await client.send(new sdk.ListAccessPoliciesCommand({ nextToken }))
        return {
          items: page.accessPolicies?.flatMap(({ arn }) => arn ?? []),
          nextToken: page.nextToken,
        }
      }),
  }
}

function entryOf(answer: { readonly accessEntry?: WireEntry | undefined }): AccessEntry {
  const { accessEntry: found } = answer
  if (found?.principalArn === undefined) {
    throw new PodroleError('InvalidServiceAnswer', 'EKS answers without an access entry')
  }
  return {
    principalArn: found.principalArn,
    accessEntryArn: found.accessEntryArn ?? '',
    type: found.type ?? 'STANDARD',
    username: found.username ?? '',
    kubernetesGroups: found.kubernetesGroups ?? [],
    tags: found.tags ?? {},
    createdAtMs: found.createdAt?.getTime() ?? 0,
    modifiedAtMs: found.modifiedAt?.getTime() ?? 0,
  }
}

const policyOf = (one: AssociatedAccessPolicy): AccessPolicy => ({
  policyArn: one.policyArn ?? '',
  accessScope: scopeOf(one.accessScope),
})

function scopeOf(scope: AssociatedAccessPolicy['accessScope']): AccessScope {
  if (scope?.type === 'namespace') return { type: 'namespace', namespaces: scope.namespaces ?? [] }
  return { type: 'cluster' }
}
