/**
 * What an access entry may be. Sources: Amazon EKS API Reference, CreateAccessEntry; EKS User
 * Guide, "Create access entries".
 */
import { uniqueIdOf } from '../iam/principals.ts'
import type { Tables } from '../records.ts'
import { invalidParameter } from './body.ts'

export const NODE_TYPES = [
  'EC2_LINUX',
  'EC2_WINDOWS',
  'FARGATE_LINUX',
  'HYBRID_LINUX',
  'HYPERPOD_LINUX',
] as const

export const ENTRY_TYPES: readonly string[] = ['STANDARD', 'EC2', ...NODE_TYPES]

/** Entries of nodes take their name and groups from EKS, and no access policies. */
export const isNodeType = (type: string): boolean =>
  NODE_TYPES.some((nodeType) => nodeType === type)

const RESERVED = ['system:', 'eks:', 'aws:', 'amazon:', 'iam:']
const MAX_NAME = 1024
const MAX_GROUPS = 100

export interface EntryPrincipal {
  readonly arn: string
  readonly kind: 'role' | 'user'
  readonly accountId: string
  /** Without the path. */
  readonly name: string
  readonly uniqueId: string
}

const PRINCIPAL = /^arn:[a-z0-9-]+:iam::(\d{12}):(role|user)\/([^:]*\/)?([\w+=,.@-]{1,64})$/

/** The role or user that an entry is for. @throws AwsFault `InvalidParameterException` */
export function readPrincipal(tables: Tables, arn: string, type: string): EntryPrincipal {
  const [, accountId = '', kind = '', path = '', name = ''] = PRINCIPAL.exec(arn) ?? []
  if (kind === '') throw invalidParameter('The principalArn parameter format is not valid')
  if (kind === 'role' && path.startsWith('aws-service-role/')) {
    throw invalidParameter(
      'The caller is not allowed to modify access entries with a principalArn value of a Service Linked Role',
    )
  }
  if (type !== 'STANDARD' && kind !== 'role') {
    throw invalidParameter(
      `An access entry of type ${type} must have an IAM role as its principalArn`,
    )
  }
  const uniqueId = uniqueIdOf(tables, arn)
  if (uniqueId === undefined) {
    throw invalidParameter('The specified principalArn is invalid: invalid principal.')
  }
  return { arn, kind: kind === 'role' ? 'role' : 'user', accountId, name, uniqueId }
}

/** @throws AwsFault `InvalidParameterException` */
export function checkGroups(groups: readonly string[]): void {
  if (groups.length > MAX_GROUPS) {
    throw invalidParameter(`An access entry has at most ${MAX_GROUPS} Kubernetes groups`)
  }
  for (const group of groups) {
    const told = group.slice(0, 100)
    if (group === '' || group.length > MAX_NAME) {
      throw invalidParameter(`The kubernetes group name ${told} is invalid`)
    }
    const prefix = RESERVED.find((reserved) => group.startsWith(reserved))
    if (prefix !== undefined) {
      throw invalidParameter(
        `The kubernetes group name ${told} is invalid, it cannot start with ${prefix}`,
      )
    }
  }
}

/** @throws AwsFault `InvalidParameterException` */
export function checkUsername(username: string, kind: 'role' | 'user'): void {
  const told = username.slice(0, 100)
  if (username === '' || username.length > MAX_NAME) {
    throw invalidParameter(`The username ${told} is invalid`)
  }
  const prefix = RESERVED.find((reserved) => username.startsWith(reserved))
  if (prefix !== undefined) {
    throw invalidParameter(`The username ${told} is invalid, it cannot start with ${prefix}`)
  }
  const session = username.search(/\{\{SessionName(?:Raw)?\}\}/)
  if (session < 0) return
  if (kind === 'user') {
    throw invalidParameter('The username of an IAM user cannot include {{SessionName}}')
  }
  // So that no session name can spell another user's whole name.
  if (!username.slice(0, session).includes(':')) {
    throw invalidParameter('The username must include a colon (:) before {{SessionName}}')
  }
}

/** The name and groups that EKS gives where the caller may not, or did not, say. */
export function defaultsOf(
  type: string,
  principal: EntryPrincipal,
): { readonly username: string; readonly groups: readonly string[] } {
  switch (type) {
    case 'EC2':
    case 'EC2_LINUX':
      return { username: 'system:node:{{EC2PrivateDNSName}}', groups: ['system:nodes'] }
    case 'EC2_WINDOWS':
      return {
        username: 'system:node:{{EC2PrivateDNSName}}',
        groups: ['eks:kube-proxy-windows', 'system:nodes'],
      }
    case 'FARGATE_LINUX':
      return {
        username: 'system:node:{{SessionName}}',
        groups: ['system:bootstrappers', 'system:nodes', 'system:node-proxier'],
      }
    case 'HYBRID_LINUX':
    case 'HYPERPOD_LINUX':
      return { username: 'system:node:{{SessionName}}', groups: ['system:nodes'] }
    default:
      return { username: standardUsername(principal), groups: [] }
  }
}

/** Without the role's path. */
function standardUsername({ arn, kind, accountId, name }: EntryPrincipal): string {
  const partition = arn.split(':')[1] ?? 'aws'
  return kind === 'user'
    ? arn
    : `arn:${partition}:sts::${accountId}:assumed-role/${name}/{{SessionName}}`
}
