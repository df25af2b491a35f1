/**
 * What EC2 tells of a refusal to those alone who may decode it.
 * Source: AWS STS API Reference, DecodeAuthorizationMessage.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { PolicySource, Policies } from '../../../iam/evaluate.ts'
import type { PolicyStatement } from '../../../iam/policy-document.ts'
import type { Caller } from '../../../iam/request.ts'
import type { JudgedAsk } from './authorization.ts'

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** What DecodeAuthorizationMessage takes. */
const MAX_CHARACTERS = 10_240
const MAX_TEXT_BYTES = 1 << 20

/** The key of the messages of one run. */
export const newMessageKey = (): Uint8Array => randomBytes(32)

/** The message, or undefined where it is longer than can be decoded. */
export function encodeMessage(key: Uint8Array, text: string): string | undefined {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key, nonce)
  const sealed = [cipher.update(deflateRawSync(text)), cipher.final()]
  const message = Buffer.concat([nonce, cipher.getAuthTag(), ...sealed]).toString('base64url')
  return message.length <= MAX_CHARACTERS ? message : undefined
}

/** The text of a message of this run; undefined for anything else. */
export function decodeMessage(key: Uint8Array, message: string): string | undefined {
  const bytes = Buffer.from(message, 'base64url')
  if (bytes.length <= NONCE_BYTES + TAG_BYTES) return undefined
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES))
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  try {
    const opened = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES))
    const packed = Buffer.concat([opened, decipher.final()])
    return inflateRawSync(packed, { maxOutputLength: MAX_TEXT_BYTES }).toString('utf8')
  } catch {
    return undefined
  }
}

type Items = { readonly items: readonly unknown[] }

const itemsOf = (values: readonly string[]): Items => ({
  items: values.map((value) => ({ value })),
})

/** A refusal as AWS's decoded message has it, as JSON. */
export function describeDenial({ request, policies, decision }: JudgedAsk): string {
  const { caller, action, resource, context } = request
  const id = principalIdOf(caller)
  const denied = matchedDenials(policies, decision.statements)
  return JSON.stringify({
    allowed: decision.allowed,
    explicitDeny: decision.reason.startsWith('explicit-deny'),
    matchedStatements: { items: denied.map((statement) => statementNode(statement, id)) },
    failures: { items: [] },
    context: {
      principal: principalNode(caller),
      action,
      resource,
      conditions: {
        items: Object.entries(context).map(([key, value]) => ({
          key,
          values: itemsOf(typeof value === 'string' ? [value] : value),
        })),
      },
    },
  })
}

/** The statements that denied, out of the policies that they are in. */
function matchedDenials(
  policies: Policies,
  outcomes: JudgedAsk['decision']['statements'],
): readonly PolicyStatement[] {
  const { identity, boundary, session = [], organization = [], resource } = policies
  const sources = [...organization, resource, ...identity, boundary, ...session].filter(
    (source): source is PolicySource => source !== undefined,
  )
  const statements = sources.flatMap(({ document }) => document.statements)
  // Each statement has its outcome, in the same order.
  return statements.filter((statement, index) => {
    const outcome = outcomes[index]
    return outcome?.matched === true && statement.effect === 'Deny'
  })
}

const statementNode = (statement: PolicyStatement, principalId: string): unknown => ({
  statementId: statement.sid ?? '',
  effect: statement.effect.toUpperCase(),
  principals: itemsOf([principalId]),
  principalGroups: { items: [] },
  actions: itemsOf(statement.actions ?? statement.notActions ?? []),
  resources: itemsOf(statement.resources ?? statement.notResources ?? []),
  conditions: {
    items: statement.conditions.map(({ key, values }) => ({ key, values: itemsOf(values) })),
  },
})

function principalIdOf(caller: Caller): string {
  if (caller.kind === 'role-session') return caller.roleId
  return caller.kind === 'user' || caller.kind === 'federated-user' ? caller.userId : ''
}

function principalNode(caller: Caller): unknown {
  if (caller.kind === 'role-session') {
    return { id: `${caller.roleId}:${caller.sessionName}`, arn: caller.arn }
  }
  const id = principalIdOf(caller)
  if (caller.kind === 'user') {
    return { id, name: caller.arn.slice(caller.arn.lastIndexOf('/') + 1), arn: caller.arn }
  }
  return 'arn' in caller ? { id, arn: caller.arn } : { id }
}
