/** Records of every kind that a sandbox keeps, and how clients write and read them. */
import {
  CreatePodIdentityAssociationCommand,
  DeletePodIdentityAssociationCommand,
  type EKSClient,
  ListPodIdentityAssociationsCommand,
} from '@aws-sdk/client-eks'
import {
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  DeleteOpenIDConnectProviderCommand,
  DeleteRoleCommand,
  GetOpenIDConnectProviderCommand,
  type IAMClient,
  ListOpenIDConnectProvidersCommand,
  ListRolesCommand,
  ListRoleTagsCommand,
  TagOpenIDConnectProviderCommand,
  TagRoleCommand,
} from '@aws-sdk/client-iam'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { type KubeClient, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { KubeObject } from '../../src/kube/objects.ts'

export const BUCKET = 'kept-bucket'
export const TRUST = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: 'pods.eks.amazonaws.com' },
      Action: ['sts:AssumeRole', 'sts:TagSession'],
    },
  ],
})

/** Mulberry32: the same numbers for the same seed. */
export function randomNumbers(seed: number): () => number {
  let at = seed
  return () => {
    at = (at + 0x6d2b79f5) | 0
    let mixed = Math.imul(at ^ (at >>> 15), at | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface Clients {
  readonly iam: IAMClient
  readonly s3: S3Client
  readonly eks: EKSClient
  readonly kube: KubeClient
  readonly environment: Readonly<Record<string, string>>
}

/** What must be there: a value, nothing (null), or either of two where no answer came. */
export type Expected = Map<string, readonly (string | null)[]>

/** One kind of record: how it is written, and all that is there. */
export interface Kind {
  put(clients: Clients, name: string, value: string, before: string | null): Promise<void>
  remove(clients: Clients, name: string): Promise<void>
  all(clients: Clients): Promise<Map<string, string>>
}

const associationIds = async ({
  eks,
}: Clients): Promise<Map<string, readonly [string, string]>> => {
  const found = new Map<string, readonly [string, string]>()
  let nextToken: string | undefined
  do {
    const page = await eks.send(
      new ListPodIdentityAssociationsCommand({
        clusterName: 'one',
        ...(nextToken !== undefined && { nextToken }),
      }),
    )
    for (const { serviceAccount = '', namespace = '', associationId = '' } of page.associations ??
      [])
      found.set(serviceAccount, [namespace, associationId])
    nextToken = page.nextToken
  } while (nextToken !== undefined)
  return found
}

const PROVIDER_HOST = '.issuer.example'
const providerArn = (name: string): string =>
  `arn:aws:iam::111122223333:oidc-provider/${name}${PROVIDER_HOST}`

export const KINDS: Readonly<Record<string, Kind>> = {
  role: {
    put: async ({ iam }, name, value, before) => {
      const Tags = [{ Key: 'value', Value: value }]
      if (before !== null) await iam.send(new TagRoleCommand({ RoleName: name, Tags }))
      else {
        await iam.send(
          new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: TRUST, Tags }),
        )
      }
    },
    remove: async ({ iam }, name) => {
      await iam.send(new DeleteRoleCommand({ RoleName: name }))
    },
    all: async ({ iam }) => {
      const { Roles = [] } = await iam.send(new ListRolesCommand({ MaxItems: 1000 }))
      const names = Roles.map(({ RoleName = '' }) => RoleName).filter((name) =>
        name.startsWith('w'),
      )
      const values = names.map(async (name): Promise<[string, string]> => {
        const { Tags } = await iam.send(new ListRoleTagsCommand({ RoleName: name }))
        return [name, Tags?.[0]?.Value ?? '']
      })
      return new Map(await Promise.all(values))
    },
  },
  provider: {
    put: async ({ iam }, name, value, before) => {
      const Tags = [{ Key: 'value', Value: value }]
      const OpenIDConnectProviderArn = providerArn(name)
      if (before !== null) {
        await iam.send(new TagOpenIDConnectProviderCommand({ OpenIDConnectProviderArn, Tags }))
        return
      }
      const Url = `https://${name}${PROVIDER_HOST}`
      const ClientIDList = ['sts.amazonaws.com']
      await iam.send(new CreateOpenIDConnectProviderCommand({ Url, ClientIDList, Tags }))
    },
    remove: async ({ iam }, name) => {
      const OpenIDConnectProviderArn = providerArn(name)
      await iam.send(new DeleteOpenIDConnectProviderCommand({ OpenIDConnectProviderArn }))
    },
    all: async ({ iam }) => {
      const { OpenIDConnectProviderList = [] } = await iam.send(
        new ListOpenIDConnectProvidersCommand({}),
      )
      const arns = OpenIDConnectProviderList.map(({ Arn = '' }) => Arn).filter((arn) =>
        arn.endsWith(PROVIDER_HOST),
      )
      const values = arns.map(async (OpenIDConnectProviderArn): Promise<[string, string]> => {
        const { Url = '', Tags } = await iam.send(
          new GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn }),
        )
        return [Url.slice(0, -PROVIDER_HOST.length), Tags?.[0]?.Value ?? '']
      })
      return new Map(await Promise.all(values))
    },
  },
  object: {
    put: async ({ s3 }, name, value) => {
      await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: name, Body: value }))
    },
    remove: async ({ s3 }, name) => {
      await s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: name }))
    },
    all: async ({ s3 }) => {
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET }))
      const values = Contents.map(async ({ Key = '' }): Promise<[string, string]> => {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key }))
        return [Key, (await Body?.transformToString()) ?? '']
      })
      return new Map(await Promise.all(values))
    },
  },
  serviceAccount: {
    put: async ({ kube }, name, value, before) => {
      const metadata = { name, namespace: 'default', annotations: { value } }
      if (before === null) await kube.create(SERVICE_ACCOUNTS, { metadata })
      else await kube.mergePatch(SERVICE_ACCOUNTS, metadata, { metadata })
    },
    remove: ({ kube }, name) => kube.delete(SERVICE_ACCOUNTS, { name, namespace: 'default' }),
    all: async ({ kube }) => {
      const { items } = await kube.list<KubeObject>(SERVICE_ACCOUNTS, { namespace: 'default' })
      return new Map(
        items
          .filter(({ metadata }) => metadata.name?.startsWith('w'))
          .map(({ metadata }) => [metadata.name ?? '', metadata.annotations?.['value'] ?? '']),
      )
    },
  },
  association: {
    put: async (clients, name, value, before) => {
      if (before !== null) await KINDS['association']?.remove(clients, name)
      await clients.eks.send(
        new CreatePodIdentityAssociationCommand({
          clusterName: 'one',
          namespace: value,
          serviceAccount: name,
          roleArn: 'arn:aws:iam::111122223333:role/kept',
        }),
      )
    },
    remove: async (clients, name) => {
      const [, associationId] = (await associationIds(clients)).get(name) ?? []
      await clients.eks.send(
        new DeletePodIdentityAssociationCommand({ clusterName: 'one', associationId }),
      )
    },
    all: async (clients) =>
      new Map([...(await associationIds(clients))].map(([name, [namespace]]) => [name, namespace])),
  },
}
