import {
  type AccessKey,
  type AccessKeyMetadata,
  paginateListAccessKeys,
  paginateListUserPolicies,
  paginateListUsers,
  paginateListUserTags,
  type User,
} from '@aws-sdk/client-iam'
import { STS } from '@aws-sdk/client-sts'
import { did, equal, listed, mapped, present, refused, SETTINGS } from './checks.ts'
import {
  BOTH_TAGS,
  type IamSteps,
  LEFT_TAGS,
  READ_POLICY,
  sameDocument,
  TAGS,
  tagsOf,
  WRITE_POLICY,
} from './iam-documents.ts'

const PEOPLE = '/people/'
const ANN = { UserName: 'ann' }

export async function userSteps(steps: IamSteps): Promise<void> {
  await users(steps)
  await userTags(steps)
  await userBoundary(steps)
  await userPolicies(steps)
  await userAttachments(steps)
  await accessKeys(steps)
}

async function users({ iam }: IamSteps): Promise<void> {
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

async function userTags({ iam }: IamSteps): Promise<void> {
  const found = async (): Promise<unknown> => tagsOf((await iam.listUserTags(ANN)).Tags)
  await iam.tagUser({ ...ANN, Tags: TAGS })
  equal("a user's tags", await found(), BOTH_TAGS)
  did('iam', 'user-tags', 'create', 'list')
  const pages = paginateListUserTags({ client: iam, pageSize: 1 }, { ...ANN })
  equal('tags by pages', tagsOf(await listed(pages, (page) => page.Tags)), BOTH_TAGS)
  did('iam', 'user-tags', 'pages')
  await iam.untagUser({ ...ANN, TagKeys: ['team'] })
  equal('the tags that are left', await found(), LEFT_TAGS)
  did('iam', 'user-tags', 'delete')
}

async function userBoundary({ iam, policy }: IamSteps): Promise<void> {
  const found = async (): Promise<string | undefined> =>
    (await iam.getUser(ANN)).User?.PermissionsBoundary?.PermissionsBoundaryArn
  await iam.putUserPermissionsBoundary({ ...ANN, PermissionsBoundary: policy })
  equal("a user's boundary", await found(), policy)
  did('iam', 'user-boundary', 'create', 'read')
  await iam.deleteUserPermissionsBoundary(ANN)
  equal('no boundary', await found(), undefined)
  did('iam', 'user-boundary', 'delete')
}

async function userPolicies({ iam }: IamSteps): Promise<void> {
  const put = async (PolicyName: string, PolicyDocument: string): Promise<void> => {
    await iam.putUserPolicy({ ...ANN, PolicyName, PolicyDocument })
    const read = await iam.getUserPolicy({ ...ANN, PolicyName })
    sameDocument("a user's policy", read.PolicyDocument, PolicyDocument)
  }
  await put('p1', READ_POLICY)
  await put('p2', READ_POLICY)
  did('iam', 'user-policy', 'create', 'read')
  equal("a user's policies", (await iam.listUserPolicies(ANN)).PolicyNames, ['p1', 'p2'])
  did('iam', 'user-policy', 'list')
  const pages = paginateListUserPolicies({ client: iam, pageSize: 1 }, { ...ANN })
  equal('by pages', await listed(pages, (page) => page.PolicyNames), ['p1', 'p2'])
  did('iam', 'user-policy', 'pages')
  await put('p1', WRITE_POLICY)
  did('iam', 'user-policy', 'update')
  for (const PolicyName of ['p1', 'p2']) await iam.deleteUserPolicy({ ...ANN, PolicyName })
  await refused('NoSuchEntityException', iam.getUserPolicy({ ...ANN, PolicyName: 'p1' }))
  did('iam', 'user-policy', 'delete')
}

async function userAttachments({ iam, policy }: IamSteps): Promise<void> {
  const attached = async (): Promise<string[]> =>
    mapped((await iam.listAttachedUserPolicies(ANN)).AttachedPolicies, (one) => one.PolicyArn)
  await iam.attachUserPolicy({ ...ANN, PolicyArn: policy })
  equal('attached to a user', await attached(), [policy])
  did('iam', 'user-attachment', 'create', 'list')
  await iam.detachUserPolicy({ ...ANN, PolicyArn: policy })
  equal('attached no more', await attached(), [])
  did('iam', 'user-attachment', 'delete')
}

async function accessKeys({ iam }: IamSteps): Promise<void> {
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
