import {
  type AccessKey,
  type AccessKeyMetadata,
  type IAM,
  paginateListAccessKeys,
  paginateListUserPolicies,
  paginateListUsers,
  paginateListUserTags,
  type User,
} from '@aws-sdk/client-iam'
import { STS } from '@aws-sdk/client-sts'
import { did, equal, listed, mapped, present, refused, SETTINGS } from './checks.ts'
import type { IamSteps } from './iam-documents.ts'
import { attachmentSteps, boundarySteps, inlinePolicySteps, tagSteps } from './iam-holders.ts'

const PEOPLE = '/people/'
const ANN = { UserName: 'ann' }

export async function userSteps({ iam, policy }: IamSteps): Promise<void> {
  const paged = { client: iam, pageSize: 1 }
  await users(iam)
  await tagSteps('user-tags', {
    tag: (Tags) => iam.tagUser({ ...ANN, Tags }),
    list: () => iam.listUserTags(ANN),
    pages: paginateListUserTags(paged, { ...ANN }),
    untag: (TagKeys) => iam.untagUser({ ...ANN, TagKeys }),
  })
  await boundarySteps('user-boundary', policy, {
    put: (boundary) => iam.putUserPermissionsBoundary({ ...ANN, ...boundary }),
    read: async () => (await iam.getUser(ANN)).User?.PermissionsBoundary?.PermissionsBoundaryArn,
    remove: () => iam.deleteUserPermissionsBoundary(ANN),
  })
  await inlinePolicySteps('user-policy', {
    put: (inline) => iam.putUserPolicy({ ...ANN, ...inline }),
    get: (named) => iam.getUserPolicy({ ...ANN, ...named }),
    list: () => iam.listUserPolicies(ANN),
    pages: paginateListUserPolicies(paged, { ...ANN }),
    remove: (named) => iam.deleteUserPolicy({ ...ANN, ...named }),
  })
  await attachmentSteps('user-attachment', [policy], {
    attach: (attached) => iam.attachUserPolicy({ ...ANN, ...attached }),
    list: () => iam.listAttachedUserPolicies(ANN),
    detach: (attached) => iam.detachUserPolicy({ ...ANN, ...attached }),
  })
  await accessKeys(iam)
}

async function users(iam: IAM): Promise<void> {
  for (const UserName of ['ann', 'ben', 'cai']) {
    const { User } = await iam.createUser({ UserName, Path: PEOPLE })
    equal("a user's path", User?.Path, PEOPLE)
  }
  did('iam', 'user', 'create')
  equal("a user's name", (await iam.getUser(ANN)).User?.UserName, 'ann')
  did('iam', 'user', 'read')
  const namesOf = (found: readonly User[] | undefined): string[] =>
    mapped(found, (one) => one.UserName)
  const input = { PathPrefix: PEOPLE }
  equal('users', namesOf((await iam.listUsers(input)).Users), ['ann', 'ben', 'cai'])
  did('iam', 'user', 'list')
  const pages = paginateListUsers({ client: iam, pageSize: 2 }, { ...input })
  equal('users by pages', namesOf(await listed(pages, (page) => page.Users)), ['ann', 'ben', 'cai'])
  did('iam', 'user', 'pages')
  await iam.updateUser({ UserName: 'cai', NewUserName: 'dee', NewPath: '/former/' })
  equal("a renamed user's path", (await iam.getUser({ UserName: 'dee' })).User?.Path, '/former/')
  did('iam', 'user', 'update')
  await iam.deleteUser({ UserName: 'dee' })
  await refused('NoSuchEntityException', iam.getUser({ UserName: 'dee' }))
  did('iam', 'user', 'delete')
}

async function accessKeys(iam: IAM): Promise<void> {
  const create = async (): Promise<AccessKey> => present((await iam.createAccessKey(ANN)).AccessKey)
  const keys = [await create(), await create()]
  const ids = keys.map(({ AccessKeyId }) => present(AccessKeyId))
  const [first = ''] = ids
  const own = new STS({
    ...SETTINGS,
    credentials: { accessKeyId: first, secretAccessKey: present(keys[0]?.SecretAccessKey) },
  })
  const user = present((await iam.getUser(ANN)).User)
  equal('whose key it is', (await own.getCallerIdentity()).Arn, user.Arn)
  did('iam', 'access-key', 'create')
  const used = await iam.getAccessKeyLastUsed({ AccessKeyId: first })
  equal('whose key was used', used.UserName, 'ann')
  equal('for what', used.AccessKeyLastUsed?.ServiceName, 'sts')
  did('iam', 'access-key', 'read')
  const statusOf = (found: readonly AccessKeyMetadata[] | undefined): string[] =>
    mapped(found, (one) => `${one.AccessKeyId} ${one.Status}`).sort()
  const list = async (): Promise<string[]> =>
    statusOf((await iam.listAccessKeys(ANN)).AccessKeyMetadata)
  const active = ids.map((id) => `${id} Active`).sort()
  equal('keys', await list(), active)
  did('iam', 'access-key', 'list')
  const pages = paginateListAccessKeys({ client: iam, pageSize: 1 }, { ...ANN })
  equal('keys by pages', statusOf(await listed(pages, (page) => page.AccessKeyMetadata)), active)
  did('iam', 'access-key', 'pages')
  await iam.updateAccessKey({ ...ANN, AccessKeyId: first, Status: 'Inactive' })
  equal('one is inactive', (await list()).includes(`${first} Inactive`), true)
  await refused('InvalidClientTokenId', own.getCallerIdentity())
  did('iam', 'access-key', 'update')
  for (const AccessKeyId of ids) await iam.deleteAccessKey({ ...ANN, AccessKeyId })
  equal('no key is left', await list(), [])
  did('iam', 'access-key', 'delete')
}
