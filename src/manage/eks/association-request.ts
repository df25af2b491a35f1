import { isDeepStrictEqual } from 'node:util'
import type { Association } from '../../associations/association.ts'
import {
  type AssociationPlace,
  type AssociationRequest,
  validateAssociationRequest,
} from '../../associations/rules.ts'
import { tryParseArn } from '../../iam/arn.ts'
import type { ServiceAccountName } from '../../iam/service-account-name.ts'
import { isOwned, missingTags, OWNER_TAG, type Tags } from '../../iam/tags.ts'
import { checkAll } from '../../lib/collect-faults.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { NewAssociation } from './association-port.ts'

/** What of an association its owner chooses, but for the role. */
export interface AssociationSettings {
  readonly serviceAccount: ServiceAccountName
  readonly targetRoleArn?: string
  readonly disableSessionTags?: boolean
  /** Session policy, JSON text. */
  readonly policy?: string
  /** Without podrole's own. */
  readonly tags: Tags
}

/**
 * Checks an association by EKS's rules, all of them at once.
 * @throws PodroleError `InvalidAssociation`
 */
export function checkAssociation(request: AssociationRequest, place: AssociationPlace): void {
  checkAll(
    'InvalidAssociation',
    validateAssociationRequest(request, place).map(({ message }) => () => {
      throw new PodroleError('InvalidAssociation', message)
    }),
  )
}

/** As EKS takes it; podrole's own tag is among its tags. */
export function newAssociation(settings: AssociationSettings, roleArn: string): NewAssociation {
  const { disableSessionTags, policy, serviceAccount, tags, targetRoleArn } = settings
  return {
    namespace: serviceAccount.namespace,
    serviceAccount: serviceAccount.name,
    roleArn,
    tags: { ...tags, ...OWNER_TAG },
    ...(targetRoleArn !== undefined && { targetRoleArn }),
    ...(disableSessionTags !== undefined && { disableSessionTags }),
    ...(policy !== undefined && { policy }),
  }
}

/** How an association that is there differs from one that is asked for, one part of it. */
export interface AssociationDifference {
  /** `its role is A, not B` */
  readonly text: string
  /** What `podrole association update` takes to mend it. */
  readonly option: string
}

/** What is set otherwise than asked for; what was not asked for is what EKS makes of nothing. */
export function differencesOf(
  wanted: NewAssociation,
  found: Association,
): readonly AssociationDifference[] {
  const { disableSessionTags = false, policy, roleArn, tags = {}, targetRoleArn } = wanted
  const differences: AssociationDifference[] = []
  if (roleArn !== found.roleArn) {
    differences.push({
      text: `its role is ${found.roleArn}, not ${roleArn}`,
      option: `--role-arn ${roleArn}`,
    })
  }
  if (targetRoleArn !== found.targetRoleArn) {
    differences.push({
      text: `its target role is ${found.targetRoleArn ?? 'none'}, not ${targetRoleArn ?? 'none'}`,
      option:
        targetRoleArn === undefined ? '--no-target-role' : `--target-role-arn ${targetRoleArn}`,
    })
  }
  if (disableSessionTags !== found.disableSessionTags) {
    differences.push({
      text: `its session tags are ${found.disableSessionTags ? 'off' : 'on'}, not ${disableSessionTags ? 'off' : 'on'}`,
      option: `--${disableSessionTags ? '' : 'no-'}disable-session-tags`,
    })
  }
  if (!isSamePolicy(policy, found.policy)) {
    differences.push({
      text: policyWords(policy, found.policy),
      option: policy === undefined ? '--no-policy' : '--policy FILE',
    })
  }
  return [...differences, ...tagDifferences(tags, found.tags)]
}

function policyWords(wanted: string | undefined, found: string | undefined): string {
  if (found === undefined) return 'it has no session policy'
  return wanted === undefined ? 'it has a session policy' : 'its session policy is another one'
}

/** podrole's own tag is a matter of whose the association is, not of what it says. */
function tagDifferences(wanted: Tags, found: Tags): readonly AssociationDifference[] {
  const asked = Object.entries(wanted).filter(([key]) => !Object.hasOwn(OWNER_TAG, key))
  return Object.entries(missingTags(Object.fromEntries(asked), found)).map(([key, value]) => ({
    text: `its tag ${key} is ${found[key] === undefined ? 'none' : JSON.stringify(found[key])}, not ${JSON.stringify(value)}`,
    option: `--tags ${key}=${value}`,
  }))
}

/** Whether two session policies say the same, whatever their white space. */
export function isSamePolicy(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined || one === other) return one === other
  try {
    return isDeepStrictEqual(JSON.parse(one), JSON.parse(other))
  } catch {
    return false
  }
}

/**
 * What podrole did not make it neither changes nor deletes, unless it is told to; what belongs to an
 * add-on goes with the add-on, whatever it is told.
 * @throws PodroleError `AddonOwned`, `AssociationNotOwned`
 */
export function requireOwn(
  found: Association,
  doing: { readonly verb: 'update' | 'delete'; readonly adopt: boolean },
): void {
  if (found.ownerArn !== undefined) throw ownedByAddon(found, found.ownerArn, doing.verb)
  if (doing.adopt || isOwned(found.tags)) return
  throw new PodroleError(
    'AssociationNotOwned',
    `association ${found.associationId} of service account ${found.namespace}/${found.serviceAccount} was not made by podrole: cannot ${doing.verb} it`,
    {
      hint:
        doing.verb === 'update'
          ? "--adopt makes it podrole's own and changes it."
          : '--adopt deletes it all the same.',
    },
  )
}

function ownedByAddon(
  found: Association,
  ownerArn: string,
  verb: 'update' | 'delete',
): PodroleError {
  const { associationId, clusterName, namespace, serviceAccount } = found
  const [, addon] = /^addon\/[^/]+\/([^/]+)/.exec(tryParseArn(ownerArn)?.resource ?? '') ?? []
  const what = `association ${associationId} of service account ${namespace}/${serviceAccount}`
  if (addon === undefined) {
    return new PodroleError('AddonOwned', `${what} belongs to ${ownerArn}: cannot ${verb} it`)
  }
  const wanted =
    verb === 'delete' ? "'[]'" : `'[{"serviceAccount":"${serviceAccount}","roleArn":"ROLE_ARN"}]'`
  return new PodroleError(
    'AddonOwned',
    `${what} belongs to add-on ${addon} of cluster ${clusterName}: cannot ${verb} it by itself`,
    {
      hint: `Change it with its add-on: aws eks update-addon --cluster-name ${clusterName} --addon-name ${addon} --pod-identity-associations ${wanted}`,
    },
  )
}
