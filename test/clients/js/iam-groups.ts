import { type Group, type IAM, paginateListGroups } from '@aws-sdk/client-iam'
import { did, equal, listed, mapped, refused } from './checks.ts'
import type { IamSteps } from './iam-documents.ts'
import { attachmentSteps, inlinePolicySteps } from './iam-holders.ts'

const TEAMS = '/teams/'
const DEVS = { GroupName: 'devs' }

export async function groupSteps({ iam, policy }: IamSteps): Promise<void> {
  await groups(iam)
  await groupMembers(iam)
  await inlinePolicySteps('group-policy', {
    put: (inline) => iam.putGroupPolicy({ ...DEVS, ...inline }),
    get: (named) => iam.getGroupPolicy({ ...DEVS, ...named }),
    list: () => iam.listGroupPolicies(DEVS),
    remove: (named) => iam.deleteGroupPolicy({ ...DEVS, ...named }),
  })
  await attachmentSteps('group-attachment', [policy], {
    attach: (attached) => iam.attachGroupPolicy({ ...DEVS, ...attached }),
    list: () => iam.listAttachedGroupPolicies(DEVS),
    detach: (attached) => iam.detachGroupPolicy({ ...DEVS, ...attached }),
  })
}

async function groups(iam: IAM): Promise<void> {
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

async function groupMembers(iam: IAM): Promise<void> {
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
