import { Registry } from '../resource-types.ts'
import { DEPLOYMENTS, REPLICA_SETS } from './apps.ts'
import {
  CONFIG_MAPS,
  EVENTS,
  NAMESPACES,
  NODES,
  SECRETS,
  SERVICE_ACCOUNTS,
  SERVICES,
} from './core.ts'
import { ENDPOINT_SLICES, LEASES, MUTATING_WEBHOOK_CONFIGURATIONS } from './others.ts'
import { PODS } from './pods.ts'
import {
  SELF_SUBJECT_ACCESS_REVIEWS,
  SELF_SUBJECT_REVIEWS,
  SUBJECT_ACCESS_REVIEWS,
  TOKEN_REVIEWS,
} from './reviews.ts'

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
  MUTATING_WEBHOOK_CONFIGURATIONS,
  LEASES,
  ENDPOINT_SLICES,
  TOKEN_REVIEWS,
  SELF_SUBJECT_REVIEWS,
  SUBJECT_ACCESS_REVIEWS,
  SELF_SUBJECT_ACCESS_REVIEWS,
])
