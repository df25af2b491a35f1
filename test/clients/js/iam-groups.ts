import { type Group, paginateListGroups } from '@aws-sdk/client-iam'
import { did, equal, listed, mapped, refused } from './checks.ts'
import { type IamSteps, READ_POLICY, sameDocument, WRITE_POLICY } from './iam-documents.ts'

const TEAMS = '/teams/'
const DEVS = { GroupName: 'devs' }

export async function groupSteps(steps: IamSteps): Promise<void> {
  await groups(steps)
  await groupMembers(steps)
  await groupPolicies(steps)
  await groupAttachments(steps)
}

async function groups({ iam }: IamSteps): Promise<void> {
  for (const GroupName of ['devs', 'ops']) {
    const { Group } = await iam.createGroup({ GroupName, Path: TEAMS })
    equal("a group's path", Group?.Path, TEAMS)
  }
  did('iam', 'group', 'create')
  equal("a group's name", (await iam.getGroup(DEVS)).Group?.GroupName, 'devs')
  did('iam', 'group', 'read')
  const namesOf = (found: readonly Group[] | undefined): string[] =>
    mapped(found, (one) => one.GroupName)
  const input = { PathPrefix: TEAMS }
  equal('groups', namesOf((await iam.listGroups(input)).Groups), ['devs', 'ops'])
  did('iam', 'group', 'list')
  const pages = paginateListGroups({ client: iam, pageSize: 1 }, { ...input })
  equal('groups by pages', namesOf(await listed(pages, (page) => page.Groups)), ['devs', 'ops'])
  did('iam', 'group', 'pages')
  await iam.updateGroup({ GroupName: 'ops', NewGroupName: 'crew' })
  equal('a renamed group', (await iam.getGroup({ GroupName: 'crew' })).Group?.Path, TEAMS)
  await refused('NoSuchEntityException', iam.getGroup({ GroupName: 'ops' }))
  did('iam', 'group', 'update')
  await iam.deleteGroup({ GroupName: 'crew' })
  await refused('NoSuchEntityException', iam.getGroup({ GroupName: 'crew' }))
  did('iam', 'group', 'delete')
}

async function groupMembers({ iam }: IamSteps): Promise<void> {
  const member = { ...DEVS, UserName: 'ann' }
  const members = async (): Promise<string[]> =>
    mapped((await iam.getGroup(DEVS)).Users, (one) => one.UserName)
  await iam.addUserToGroup(member)
  equal("a group's members", await members(), ['ann'])
  did('iam', 'group-member', 'create')
  const { Groups } = await iam.listGroupsForUser({ UserName: 'ann' })
  equal(
    "a user's groups",
    mapped(Groups, (one) => one.GroupName),
    ['devs'],
  )
  did('iam', 'group-member', 'list')
  await iam.removeUserFromGroup(member)
  equal('no member is left', await members(), [])
  did('iam', 'group-member', 'delete')
}

async function groupPolicies({ iam }: IamSteps): Promise<void> {
  const named = { ...DEVS, PolicyName: 'p1' }
  const put = async (PolicyDocument: string): Promise<void> => {
    await iam.putGroupPolicy({ ...named, PolicyDocument })
    const read = await iam.getGroupPolicy(named)
    sameDocument("a group's policy", read.PolicyDocument, PolicyDocument)
  }
  await put(READ_POLICY)
  did('iam', 'group-policy', 'create', 'read')
  equal("a group's policies", (await iam.listGroupPolicies(DEVS)).PolicyNames, ['p1'])
  did('iam', 'group-policy', 'list')
  await put(WRITE_POLICY)
  did('iam', 'group-policy', 'update')
  await iam.deleteGroupPolicy(named)
  await refused('NoSuchEntityException', iam.getGroupPolicy(named))
  did('iam', 'group-policy', 'delete')
}

async function groupAttachments({ iam, policy }: IamSteps): Promise<void> {
  const attached = async (): Promise<string[]> =>
    mapped((await iam.listAttachedGroupPolicies(DEVS)).AttachedPolicies, (one) => one.PolicyArn)
  await iam.attachGroupPolicy({ ...DEVS, PolicyArn: policy })
  equal('attached to a group', await attached(), [policy])
  did('iam', 'group-attachment', 'create', 'list')
  await iam.detachGroupPolicy({ ...DEVS, PolicyArn: policy })
  equal('attached no more', await attached(), [])
  did('iam', 'group-attachment', 'delete')
}
