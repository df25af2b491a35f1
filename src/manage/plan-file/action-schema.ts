/** The actions of a plan as a file has them: every field is known, and no other is taken. */
import * as z from 'zod'
import type { PlanAction } from '../plan/plan.ts'

const text = z.string()
const texts = z.array(text)
const tags = z.record(text, text)
const name = text.min(1)
const arn = text.startsWith('arn:')

const provider = z.strictObject({
  arn,
  clientIds: texts,
  tags,
  thumbprints: texts.exactOptional(),
})
const role = z.strictObject({
  name,
  arn,
  trustPolicy: text,
  tags,
  boundaryArn: arn.exactOptional(),
})

const action = <D extends PlanAction['do'], S extends z.ZodRawShape>(what: D, fields: S) =>
  z.strictObject({ do: z.literal(what), ...fields })

const roleActions = [
  action('create-provider', { provider }),
  action('delete-provider', { provider }),
  action('add-client-id', { arn, clientId: name }),
  action('remove-client-id', { arn, clientId: name }),
  action('create-role', { role }),
  action('delete-role', { role }),
  action('put-trust', {
    role: name,
    phase: z.enum(['admit', 'trim']),
    before: text,
    after: text,
  }),
  action('attach-policy', { role: name, policyArn: arn }),
  action('detach-policy', { role: name, policyArn: arn }),
  action('put-inline-policy', {
    role: name,
    name,
    before: text.exactOptional(),
    after: text,
  }),
  action('delete-inline-policy', { role: name, name, before: text }),
  action('put-boundary', { role: name, before: arn.exactOptional(), after: arn }),
  action('delete-boundary', { role: name, before: arn }),
  action('tag-role', { role: name, before: tags, after: tags }),
  action('untag-role', { role: name, before: tags }),
] as const

const serviceAccount = z.strictObject({ namespace: name, name })
const mode = z.enum(['CONFIG_MAP', 'API_AND_CONFIG_MAP', 'API'])
const settings = z.strictObject({
  roleArn: arn,
  targetRoleArn: arn.exactOptional(),
  disableSessionTags: z.boolean(),
  policy: text.exactOptional(),
})
const association = z.strictObject({ serviceAccount, settings, tags })
/** As it was read: with what EKS calls it. */
const oldAssociation = association.extend({
  associationId: name.exactOptional(),
  arn: arn.exactOptional(),
  ownerArn: arn.exactOptional(),
})
const entry = z.strictObject({
  principalArn: arn,
  type: name,
  tags,
  groups: texts.exactOptional(),
  username: text.exactOptional(),
})
const names = z.strictObject({ groups: texts, username: text })
const accessPolicy = z.strictObject({ policyArn: arn, namespaces: texts.exactOptional() })
const addonSettings = z.strictObject({
  version: name,
  associations: z.array(z.strictObject({ serviceAccount: name, roleArn: arn })),
  serviceAccountRoleArn: arn.exactOptional(),
})
const addon = z.strictObject({
  name,
  settings: addonSettings,
  tags,
  namespace: name.exactOptional(),
  configurationValues: text.exactOptional(),
  resolveConflicts: text.exactOptional(),
})

const inCluster = <D extends PlanAction['do'], S extends z.ZodRawShape>(what: D, fields: S) =>
  z.strictObject({ cluster: arn, do: z.literal(what), ...fields })

const clusterActions = [
  inCluster('update-authentication-mode', { before: mode, after: mode }),
  inCluster('create-addon', { addon }),
  inCluster('delete-addon', { addon }),
  inCluster('update-addon', {
    name,
    before: addonSettings,
    after: addonSettings,
    resolveConflicts: text.exactOptional(),
  }),
  inCluster('create-association', { association }),
  inCluster('delete-association', { association: oldAssociation }),
  inCluster('update-association', {
    serviceAccount,
    associationId: name,
    before: settings,
    after: settings,
  }),
  inCluster('create-access-entry', { entry }),
  inCluster('delete-access-entry', { entry }),
  inCluster('update-access-entry', { principalArn: arn, before: names, after: names }),
  inCluster('associate-access-policy', {
    principalArn: arn,
    before: accessPolicy.exactOptional(),
    after: accessPolicy,
  }),
  inCluster('disassociate-access-policy', { principalArn: arn, before: accessPolicy }),
  inCluster('tag-resource', { arn, what: name, before: tags, after: tags }),
  inCluster('untag-resource', { arn, what: name, before: tags }),
  inCluster('enable-workload-identity', {
    issuer: text.exactOptional(),
    webhook: z.enum(['podrole', 'found', 'eks']).exactOptional(),
  }),
  inCluster('disable-workload-identity', { losesAccess: texts }),
] as const

const object = z.strictObject({ serviceAccount, labels: tags, annotations: tags })
const keys = z.record(text, text.nullable())
const keyValues = z.strictObject({ labels: keys, annotations: keys })

const kubernetesActions = [
  inCluster('create-namespace', { namespace: name }),
  inCluster('delete-namespace', { namespace: name }),
  inCluster('create-service-account', { object }),
  inCluster('delete-service-account', { object }),
  inCluster('patch-service-account', { serviceAccount, before: keyValues, after: keyValues }),
] as const

const every = z.discriminatedUnion('do', [...roleActions, ...clusterActions, ...kubernetesActions])

/** Where a plan has an action of which no schema is here, this is `never`, which does not compile. */
type Known = PlanAction['do'] extends z.infer<typeof every>['do'] ? PlanAction : never

export const actionSchema: z.ZodType<Known> = every
