import { CLUSTER_NAME_PATTERN } from '../../../associations/rules.ts'
import { issuerHostPath } from '../../../iam/arn.ts'
import { messageOf } from '../../../lib/errors.ts'
import { quoteValue } from '../faults.ts'
import type { FragmentTarget } from '../desired-state.ts'
import type { DocumentKind } from '../schema.ts'
import { type CheckContext, type Fields, fieldsOf, isSet, itemsOf, textOf } from './check.ts'

/** Which cluster it is, and what only some clusters have. */
export function checkCluster(
  kind: DocumentKind,
  document: Fields,
  target: FragmentTarget,
  context: CheckContext,
): void {
  const { complain } = context
  const metadata = fieldsOf(document['metadata'])
  const accountId = textOf(metadata['accountID'])
  if (accountId !== undefined && !/^\d{12}$/.test(accountId)) {
    complain(
      ['metadata', 'accountID'],
      `${quoteValue(accountId)} is not an account: wanted 12 digits`,
    )
  }
  if (kind === 'fragment') {
    const missing = (['cluster', 'region'] as const).filter((name) => target[name] === undefined)
    if (missing.length > 0) {
      const options = missing.map((name) => `--${name}`).join(' and ')
      complain([], `it names no cluster: wanted ${options}, or apiVersion, kind and metadata`)
    }
  }
  const [name, path] = nameOf(kind, document, target)
  if (name !== undefined && !CLUSTER_NAME_PATTERN.test(name)) {
    const isArn = name.startsWith('arn:') ? ', not its ARN' : ''
    complain(
      path,
      `${quoteValue(name)} is not a cluster's name${isArn}: wanted 1 to 100 letters, digits, - and _`,
    )
  }
  if (kind === 'podrole') checkSelfManaged(document, context)
}

function nameOf(
  kind: DocumentKind,
  document: Fields,
  target: FragmentTarget,
): readonly [string | undefined, readonly string[]] {
  if (kind === 'fragment') return [target.cluster, ['--cluster']]
  if (kind === 'mk8s') return [textOf(document['name']), ['name']]
  return [textOf(fieldsOf(document['metadata'])['name']), ['metadata', 'name']]
}

/** Of a cluster that is not EKS: what it needs an issuer or a broker for, and what it has not. */
function checkSelfManaged(document: Fields, { complain }: CheckContext): void {
  const iam = fieldsOf(document['iam'])
  const issuer = textOf(fieldsOf(document['issuer'])['url'])
  const broker = textOf(fieldsOf(document['broker'])['url'])
  if (issuer !== undefined) complain(['issuer', 'url'], issuerFault(issuer))
  if (broker !== undefined && !isHttpsUrl(broker)) {
    complain(
      ['broker', 'url'],
      `${quoteValue(broker)} is not a broker's URL: wanted https://HOST[:PORT]`,
    )
  }
  if (issuer === undefined && (iam['withOIDC'] === true || isSet(iam['serviceAccounts']))) {
    complain(['issuer'], 'it is missing: IRSA of a cluster that is not EKS needs issuer.url')
  }
  if (broker === undefined && isSet(iam['podIdentityAssociations'])) {
    complain(['broker'], 'it is missing: associations of a cluster that is not EKS need broker.url')
  }
  for (const field of ['accessConfig', 'addonsConfig']) {
    if (document[field] !== undefined) complain([field], 'only EKS clusters have it')
  }
  for (const [at, addon] of itemsOf(document['addons']).entries()) {
    const name = textOf(fieldsOf(addon)['name'])
    if (name === undefined || name === WORKLOAD_IDENTITY) continue
    complain(
      ['addons', at, 'name'],
      `${quoteValue(name)} is an add-on of EKS: wanted ${WORKLOAD_IDENTITY}`,
    )
  }
}

/** Document 002's add-on: issuer and webhook on the cluster. */
export const WORKLOAD_IDENTITY = 'awsWorkloadIdentity'

function issuerFault(url: string): string | undefined {
  try {
    issuerHostPath(url)
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

const isHttpsUrl = (text: string): boolean => {
  const url = URL.parse(text)
  return url?.protocol === 'https:' && url.username === '' && url.search === '' && url.hash === ''
}
