/** What users, groups, roles, policies and providers have alike: the same steps for each. */
import type { AttachedPolicy, Tag } from '@aws-sdk/client-iam'
import { did, equal, listed, mapped, refused } from './checks.ts'
import { READ_POLICY, sameDocument, WRITE_POLICY } from './iam-documents.ts'

interface Tagged {
  readonly tag: (Tags: Tag[]) => Promise<unknown>
  readonly list: () => Promise<{ readonly Tags?: Tag[] | undefined }>
  /** One tag a page. */
  readonly pages?: AsyncIterable<{ readonly Tags?: Tag[] | undefined }>
  readonly untag: (TagKeys: string[]) => Promise<unknown>
}

/** @param resource as the table calls it: `user-tags` */
export async function tagSteps(resource: string, of: Tagged): Promise<void> {
  const both = [
    { Key: 'team', Value: 'a' },
    { Key: 'stage', Value: 'test' },
  ]
  const sorted = (tags: readonly Tag[] | undefined): string[] =>
    mapped(tags, ({ Key, Value }) => `${Key}=${Value}`).sort()
  await of.tag(both)
  equal(`two ${resource}`, sorted((await of.list()).Tags), ['stage=test', 'team=a'])
  did('iam', resource, 'create', 'list')
  if (of.pages !== undefined) {
    const paged = await listed(of.pages, (page) => page.Tags)
    equal('tags by pages', sorted(paged), ['stage=test', 'team=a'])
    did('iam', resource, 'pages')
  }
  await of.untag(['team'])
  equal('the tags that are left', sorted((await of.list()).Tags), ['stage=test'])
  did('iam', resource, 'delete')
}

interface PolicyNames {
  readonly PolicyNames?: string[] | undefined
}

interface InlinePolicies {
  readonly put: (policy: { PolicyName: string; PolicyDocument: string }) => Promise<unknown>
  readonly get: (named: {
    PolicyName: string
  }) => Promise<{ readonly PolicyDocument: string | undefined }>
  readonly list: () => Promise<PolicyNames>
  /** One policy a page. */
  readonly pages?: AsyncIterable<PolicyNames>
  readonly remove: (named: { PolicyName: string }) => Promise<unknown>
}

/** @param resource as the table calls it: `user-policy` */
export async function inlinePolicySteps(resource: string, of: InlinePolicies): Promise<void> {
  const put = async (PolicyName: string, PolicyDocument: string): Promise<void> => {
    await of.put({ PolicyName, PolicyDocument })
    sameDocument(resource, (await of.get({ PolicyName })).PolicyDocument, PolicyDocument)
  }
  await put('p1', READ_POLICY)
  await put('p2', READ_POLICY)
  did('iam', resource, 'create', 'read')
  equal('inline policies', (await of.list()).PolicyNames, ['p1', 'p2'])
  did('iam', resource, 'list')
  if (of.pages !== undefined) {
    equal('by pages', await listed(of.pages, (page) => page.PolicyNames), ['p1', 'p2'])
    did('iam', resource, 'pages')
  }
  await put('p1', WRITE_POLICY)
  did('iam', resource, 'update')
  for (const PolicyName of ['p1', 'p2']) await of.remove({ PolicyName })
  await refused('NoSuchEntityException', of.get({ PolicyName: 'p1' }))
  did('iam', resource, 'delete')
}

interface AttachedPolicies {
  readonly AttachedPolicies?: AttachedPolicy[] | undefined
}

interface Attachments {
  readonly attach: (policy: { PolicyArn: string }) => Promise<unknown>
  readonly list: () => Promise<AttachedPolicies>
  /** One policy a page. */
  readonly pages?: AsyncIterable<AttachedPolicies>
  readonly detach: (policy: { PolicyArn: string }) => Promise<unknown>
}

/** @param resource as the table calls it: `user-attachment` */
export async function attachmentSteps(
  resource: string,
  arns: readonly string[],
  of: Attachments,
): Promise<void> {
  const sorted = ({ AttachedPolicies }: AttachedPolicies): string[] =>
    mapped(AttachedPolicies, (one) => one.PolicyArn).sort()
  for (const PolicyArn of arns) await of.attach({ PolicyArn })
  equal('attached policies', sorted(await of.list()), arns.toSorted())
  did('iam', resource, 'create', 'list')
  if (of.pages !== undefined) {
    const paged = await listed(of.pages, (page) => page.AttachedPolicies)
    equal('by pages', sorted({ AttachedPolicies: paged }), arns.toSorted())
    did('iam', resource, 'pages')
  }
  for (const PolicyArn of arns) await of.detach({ PolicyArn })
  equal('attached no more', sorted(await of.list()), [])
  did('iam', resource, 'delete')
}

interface Bounded {
  readonly put: (boundary: { PermissionsBoundary: string }) => Promise<unknown>
  /** The boundary's ARN. */
  readonly read: () => Promise<string | undefined>
  readonly remove: () => Promise<unknown>
}

/** @param resource as the table calls it: `user-boundary` */
export async function boundarySteps(
  resource: string,
  PermissionsBoundary: string,
  of: Bounded,
): Promise<void> {
  await of.put({ PermissionsBoundary })
  equal('a boundary', await of.read(), PermissionsBoundary)
  did('iam', resource, 'create', 'read')
  await of.remove()
  equal('no boundary', await of.read(), undefined)
  did('iam', resource, 'delete')
}
