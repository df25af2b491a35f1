/** A session policy by the commands is judged as in a file, at create and at update. */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Association } from '../../associations/association.ts'
import { OWNER_TAG } from '../../iam/tags.ts'
import { messageOf } from '../../lib/errors.ts'
import { createAssociation } from './association-create.ts'
import type { AssociationCluster } from './association-place.ts'
import { updateAssociation } from './association-update.ts'

const FILE = join(import.meta.dir, '../desired/testdata/faults/association-session-policy.yaml')
const TEXT = readFileSync(FILE, 'utf8')
const { iam } = Bun.YAML.parse(TEXT) as {
  readonly iam: {
    readonly podIdentityAssociations: readonly {
      readonly policy: unknown
      readonly disableSessionTags?: boolean
    }[]
  }
}
/** What the file's reader says of each, in its order; what is no text a command cannot be given. */
const CASES = iam.podIdentityAssociations.flatMap(({ disableSessionTags = false, policy }, at) => {
  const [, fault = ''] = new RegExp(`^#! .*\\[${at}\\]\\.policy: (.*)$`, 'm').exec(TEXT) ?? []
  return typeof policy === 'string' ? [{ policy, disableSessionTags, fault }] : []
})
const READ_ALL =
  '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}'

const accountId = '111122223333'
const clusterArn = `arn:aws:eks:eu-west-1:${accountId}:cluster/prod`
const serviceAccount = { namespace: 'shop', name: 'orders' }
const there: Association = {
  clusterName: 'prod',
  namespace: 'shop',
  serviceAccount: 'orders',
  associationId: 'a-1',
  associationArn: `arn:aws:eks:eu-west-1:${accountId}:podidentityassociation/prod/a-1`,
  roleArn: `arn:aws:iam::${accountId}:role/orders`,
  disableSessionTags: false,
  tags: OWNER_TAG,
  createdAtMs: 0,
  modifiedAtMs: 0,
}

/** With that association or none; nothing may be written. */
function clusterWith(found: Association | undefined): AssociationCluster {
  const refuse = (): Promise<never> => Promise.reject(new Error('EKS was asked to write'))
  return {
    clusterName: 'prod',
    clusterArn,
    partition: 'aws',
    roleAccountId: accountId,
    associations: {
      place: 'EKS',
      list: () => Promise.resolve(found === undefined ? [] : [found]),
      describe: () => (found === undefined ? refuse() : Promise.resolve(found)),
      create: refuse,
      update: refuse,
      delete: refuse,
      tagging: { tag: refuse, untag: refuse },
    },
    roles: undefined,
    grant: () => ({
      way: 'pod-identity',
      clusterArn,
      accountId,
      serviceAccounts: [serviceAccount],
    }),
    options: '--cluster prod',
  }
}

const keep = (): string => ''
const changed = (
  found: Association,
  change: Pick<Partial<Association>, 'policy' | 'disableSessionTags'>,
): Promise<unknown> =>
  updateAssociation(
    clusterWith(found),
    { serviceAccount, tags: {}, removeTags: [], ...change },
    { adopt: false, keep },
  ).catch(messageOf)

describe('a session policy', () => {
  test('of the file has a fault in each case', () => {
    expect(CASES.length).toBeGreaterThan(4)
    expect(CASES.map(({ fault }) => fault)).not.toContain('')
  })

  test.each(CASES)('at create and at update: $fault', async ({ fault, ...settings }) => {
    const role = { arn: there.roleArn }
    const wishes = { settings: { serviceAccount, tags: {}, ...settings }, role }
    const created = createAssociation(clusterWith(undefined), wishes, { keep })
    expect(await created.catch(messageOf)).toBe(`policy ${fault}`)
    expect(await changed(there, settings)).toBe(`policy ${fault}`)
  })

  test('is judged beside what an update leaves as it is', async () => {
    const fault = 'policy needs disableSessionTags: true'
    expect(await changed(there, { policy: READ_ALL })).toBe(fault)
    const withPolicy = { ...there, disableSessionTags: true, policy: READ_ALL }
    expect(await changed(withPolicy, { disableSessionTags: false })).toBe(fault)
  })
})
