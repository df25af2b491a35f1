import type { JsonRoute } from '../wire/json.ts'
import { ACCESS_ENTRY_ROUTES } from './access-entries.ts'
import { ACCESS_POLICY_ROUTES } from './access-policies.ts'
import { ADDON_CATALOG_ROUTES } from './addon-catalog.ts'
import { ADDON_ROUTES } from './addons.ts'
import { ASSOCIATION_ROUTES } from './associations.ts'
import { CLUSTER_UPDATE_ROUTES } from './cluster-updates.ts'
import { CLUSTER_VERSION_ROUTES } from './cluster-versions.ts'
import { CLUSTER_ROUTES } from './clusters.ts'
import { FARGATE_ROUTES } from './fargate-profiles.ts'
import { NODEGROUP_ROUTES } from './nodegroups.ts'
import { REGISTRATION_ROUTES } from './registrations.ts'
import { TAG_ROUTES } from './tags.ts'
import { UPDATE_ROUTES } from './updates.ts'

/** EKS's operations, API version 2017-11-01. */
export const EKS_ROUTES: readonly JsonRoute[] = [
  ...CLUSTER_ROUTES,
  ...CLUSTER_VERSION_ROUTES,
  ...CLUSTER_UPDATE_ROUTES,
  ...UPDATE_ROUTES,
  ...REGISTRATION_ROUTES,
  ...ASSOCIATION_ROUTES,
  ...ACCESS_ENTRY_ROUTES,
  ...ACCESS_POLICY_ROUTES,
  ...ADDON_CATALOG_ROUTES,
  ...ADDON_ROUTES,
  ...NODEGROUP_ROUTES,
  ...FARGATE_ROUTES,
  ...TAG_ROUTES,
]
