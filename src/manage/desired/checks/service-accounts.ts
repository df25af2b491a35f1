import {
  checkServiceAccountName,
  checkServiceAccountPattern,
} from '../../../iam/service-account-name.ts'
import { messageOf } from '../../../lib/errors.ts'
import { formatPath, type FaultPath, quoteValue } from '../faults.ts'
import { roleArnFault } from './arns.ts'
import {
  type CheckContext,
  type Fields,
  fieldsOf,
  isFields,
  textOf,
  textsByKey,
  uniqueness,
} from './check.ts'
import { checkRole, SERVICE_ACCOUNT_ROLE } from './roles.ts'

const DEFAULT_NAMESPACE = 'default'

/** `iam.serviceAccounts` */
export function checkServiceAccounts(
  items: readonly unknown[],
  at: FaultPath,
  context: CheckContext,
): void {
  const unique = uniqueness(context, 'the service account')
  for (const [index, item] of items.entries()) {
    if (!isFields(item)) continue
    const path = [...at, index]
    const metadata = fieldsOf(item['metadata'])
    const name = textOf(metadata['name'])
    const namespace = textOf(metadata['namespace']) ?? DEFAULT_NAMESPACE
    if (name !== undefined) {
      const nameFault = thrownBy(() => checkServiceAccountName({ namespace, name }))
      context.complain([...path, 'metadata'], nameFault)
      unique(`${namespace}/${name}`, [...path, 'metadata'], formatPath(path))
    }
    checkSubjectPattern(item, { namespace, path }, context)
    checkMetadata(metadata, [...path, 'metadata'], context)
    const given = textOf(item['attachRoleARN'])
    if (given !== undefined) {
      context.complain([...path, 'attachRoleARN'], roleArnFault(given, context))
    }
    checkRole(item, path, SERVICE_ACCOUNT_ROLE, context)
  }
}

function checkSubjectPattern(
  item: Fields,
  where: { readonly namespace: string; readonly path: FaultPath },
  context: CheckContext,
): void {
  const pattern = textOf(item['subjectPattern'])
  if (pattern === undefined) return
  const { namespace } = where
  const path = [...where.path, 'subjectPattern']
  if (item['attachRoleARN'] !== undefined) {
    context.complain(path, 'it cannot be specified when attachRoleARN is set')
  }
  const isWhole = pattern.includes(':') || pattern.includes('/')
  context.complain(
    path,
    isWhole
      ? `${quoteValue(pattern)} holds more than a name: wanted a pattern for names in the namespace, such as "app-*"`
      : thrownBy(() => checkServiceAccountPattern({ namespace, name: pattern })),
  )
}

/** Kubernetes' rule for keys of labels and annotations, and for values of labels. */
const KEY = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?$/
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?)?$/
/** podrole's own, and those that the role decides. */
const OWN_KEY = /^(?:podrole\.dev\/|eks\.amazonaws\.com\/role-arn$)/

function checkMetadata(metadata: Fields, at: FaultPath, { complain }: CheckContext): void {
  for (const field of ['labels', 'annotations'] as const) {
    for (const [key, value] of Object.entries(textsByKey(metadata[field]))) {
      const path = [...at, field, key]
      if (!KEY.test(key)) {
        complain(
          path,
          `${quoteValue(key)} is not a key: wanted [PREFIX/]NAME of at most 63 characters`,
        )
      } else if (OWN_KEY.test(key)) {
        complain(path, 'podrole writes it itself')
      }
      if (field === 'labels' && !LABEL_VALUE.test(value)) {
        complain(
          path,
          `${quoteValue(value)} is not a label's value: wanted at most 63 letters, digits and -_.`,
        )
      }
    }
  }
}

function thrownBy(check: () => void): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}
