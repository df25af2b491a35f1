import { Registry } from '../resource-types.ts'
import { HORIZONTAL_POD_AUTOSCALERS } from './autoscaling.ts'
import { DEPLOYMENTS, REPLICA_SETS } from './apps.ts'
import { CRON_JOBS, JOBS } from './batch.ts'
import { CONFIG_MAPS, NAMESPACES, NODES, SECRETS, SERVICE_ACCOUNTS, SERVICES } from './core.ts'
import { CONTROLLER_REVISIONS, DAEMON_SETS } from './daemon-sets.ts'
import { ENDPOINT_SLICES } from './endpoint-slices.ts'
import { ENDPOINTS } from './endpoints.ts'
import { EVENTS } from './events.ts'
import { INGRESS_CLASSES, INGRESSES } from './ingresses.ts'
import { LEASES } from './leases.ts'
import { NETWORK_POLICIES } from './network-policies.ts'
import { PODS } from './pods.ts'
import { POD_DISRUPTION_BUDGETS, PRIORITY_CLASSES } from './policies.ts'
import { CUSTOM_RESOURCE_DEFINITIONS } from './custom-resource-definitions.ts'
import { CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES } from './rbac.ts'
import {
  LOCAL_SUBJECT_ACCESS_REVIEWS,
  SELF_SUBJECT_ACCESS_REVIEWS,
  SELF_SUBJECT_REVIEWS,
  SELF_SUBJECT_RULES_REVIEWS,
  SUBJECT_ACCESS_REVIEWS,
  TOKEN_REVIEWS,
} from './reviews.ts'
import { STATEFUL_SETS } from './stateful-sets.ts'
import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES } from './storage.ts'
import { MUTATING_WEBHOOK_CONFIGURATIONS } from './webhook-configurations.ts'

/** Every type that the sandbox's cluster serves: a new one is a new row. */
export const REGISTRY = new Registry([
  NAMESPACES,
  NODES,
  PODS,
  SERVICE_ACCOUNTS,
  CONFIG_MAPS,
  SECRETS,
  SERVICES,
  EVENTS,
  DEPLOYMENTS,
  REPLICA_SETS,
  STATEFUL_SETS,
  DAEMON_SETS,
  CONTROLLER_REVISIONS,
  JOBS,
  CRON_JOBS,
  POD_DISRUPTION_BUDGETS,
  NETWORK_POLICIES,
  INGRESSES,
  INGRESS_CLASSES,
  HORIZONTAL_POD_AUTOSCALERS,
  PRIORITY_CLASSES,
  PERSISTENT_VOLUMES,
  PERSISTENT_VOLUME_CLAIMS,
  STORAGE_CLASSES,
  ENDPOINTS,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  LEASES,
  ENDPOINT_SLICES,
  ROLES,
  CLUSTER_ROLES,
  ROLE_BINDINGS,
  CLUSTER_ROLE_BINDINGS,
  CUSTOM_RESOURCE_DEFINITIONS,
  TOKEN_REVIEWS,
  SELF_SUBJECT_REVIEWS,
  SUBJECT_ACCESS_REVIEWS,
  SELF_SUBJECT_ACCESS_REVIEWS,
  LOCAL_SUBJECT_ACCESS_REVIEWS,
  SELF_SUBJECT_RULES_REVIEWS,
])
