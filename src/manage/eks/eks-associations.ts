import type { PodIdentityAssociation } from '@aws-sdk/client-eks'
import type { Association } from '../../associations/association.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { AssociationPort, AssociationSummary } from './association-port.ts'
import type { EksClient } from './eks-client.ts'

/** The associations of a cluster on EKS. */
export function eksAssociations(eks: EksClient, clusterName: string): AssociationPort {
  const { call, sdk } = eks
  const of = `of cluster ${clusterName}`
  return {
    place: eks.place,
    list: (filter = {}) =>
      eks.all(`ListPodIdentityAssociations ${of}`, async (client, nextToken) => {
        const page = await client.send(
          new sdk.ListPodIdentityAssociationsCommand({ clusterName, nextToken, ...filter }),
        )
        return { items: page.associations?.map(summaryOf), nextToken: page.nextToken }
      }),
    describe: (associationId) =>
      call(`DescribePodIdentityAssociation ${associationId} ${of}`, async (client) => {
        const input = { clusterName, associationId }
        return associationOf(
          await client.send(new sdk.DescribePodIdentityAssociationCommand(input)),
        )
      }),
    create: ({ tags = {}, ...association }) =>
      call(
        `CreatePodIdentityAssociation ${association.namespace}/${association.serviceAccount} ${of}`,
        async (client) => {
          const input = { clusterName, ...association, tags: { ...tags } }
          return associationOf(
            await client.send(new sdk.CreatePodIdentityAssociationCommand(input)),
          )
        },
      ),
    update: (associationId, change) =>
      call(`UpdatePodIdentityAssociation ${associationId} ${of}`, async (client) => {
        const input = { clusterName, associationId, ...change }
        return associationOf(await client.send(new sdk.UpdatePodIdentityAssociationCommand(input)))
      }),
    delete: (associationId) =>
      call(`DeletePodIdentityAssociation ${associationId} ${of}`, async (client) => {
        const input = { clusterName, associationId }
        return associationOf(await client.send(new sdk.DeletePodIdentityAssociationCommand(input)))
      }),
    tagging: eksTagging(eks),
  }
}

/** Tags of anything of EKS that has an ARN. */
export function eksTagging({ call, sdk }: EksClient): AssociationPort['tagging'] {
  return {
    tag: (resourceArn, tags) =>
      call(`TagResource ${resourceArn}`, async (client) => {
        await client.send(new sdk.TagResourceCommand({ resourceArn, tags: { ...tags } }))
      }),
    untag: (resourceArn, tagKeys) =>
      call(`UntagResource ${resourceArn}`, async (client) => {
        await client.send(new sdk.UntagResourceCommand({ resourceArn, tagKeys: [...tagKeys] }))
      }),
  }
}

const summaryOf = (row: PodIdentityAssociation): AssociationSummary => ({
  associationId: row.associationId ?? '',
  associationArn: row.associationArn ?? '',
  namespace: row.namespace ?? '',
  serviceAccount: row.serviceAccount ?? '',
  ...(row.ownerArn !== undefined && { ownerArn: row.ownerArn }),
})

function associationOf(answer: {
  readonly association?: PodIdentityAssociation | undefined
}): Association {
  const { association: found } = answer
  if (found?.associationId === undefined || found.roleArn === undefined) {
    throw new PodroleError('InvalidServiceAnswer', 'EKS answers without an association')
  }
  return {
    ...summaryOf(found),
    clusterName: found.clusterName ?? '',
    roleArn: found.roleArn,
    disableSessionTags: found.disableSessionTags === true,
    ...(found.targetRoleArn !== undefined && { targetRoleArn: found.targetRoleArn }),
    ...(found.policy !== undefined && { policy: found.policy }),
    ...(found.externalId !== undefined && { externalId: found.externalId }),
    tags: found.tags ?? {},
    createdAtMs: found.createdAt?.getTime() ?? 0,
    modifiedAtMs: found.modifiedAt?.getTime() ?? 0,
  }
}
