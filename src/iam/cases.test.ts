import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PodroleError } from '../lib/errors.ts'
import { authorize, authorizeTrust } from './evaluate.ts'
import type { DecisionReason, Policies, PolicySource } from './evaluate.ts'
import { parsePolicy } from './policy.ts'
import type { PolicyKind } from './policy-document.ts'
import { principalContext } from './principal.ts'
import type { Caller, ContextKeys } from './request.ts'

interface Asked {
  readonly check: string
  readonly caller: string
  readonly action: string
  readonly context?: ContextKeys
  readonly identity?: readonly unknown[]
  readonly boundary?: unknown
  readonly session?: readonly unknown[]
  readonly resourcePolicy?: unknown
  readonly decision: DecisionReason
}

interface ConditionCheck {
  readonly check: string
  readonly version?: string
  readonly condition: unknown
  readonly context: ContextKeys
  readonly holds: boolean
}

interface ParseCheck {
  readonly check: string
  readonly parse: PolicyKind
  readonly document?: unknown
  readonly text?: string
  readonly valid?: true
  readonly message?: string
}

type Check =
  | ConditionCheck
  | ParseCheck
  | (Asked & { readonly trust: unknown })
  | (Asked & { readonly resource: string })

interface Case {
  readonly number: number
  readonly rule: string
  readonly source: string
  readonly note?: string
  readonly checks: readonly Check[]
}

const ACCOUNT = '111122223333'
const ROLE = `arn:aws:iam::${ACCOUNT}:role/app`
const FOLDER = join(import.meta.dir, 'testdata')

const readJson = (path: string): unknown => JSON.parse(readFileSync(join(FOLDER, path), 'utf8'))
const callers = readJson('callers.json') as Record<string, Caller>
const cases = readdirSync(join(FOLDER, 'cases'))
  .sort()
  .map((file) => readJson(join('cases', file)) as Case)

const source = (name: string, document: unknown, kind: PolicyKind): PolicySource => ({
  name,
  document: parsePolicy(JSON.stringify(document), kind),
})

function policiesOf(asked: Asked): Policies {
  const { identity = [], boundary, session, resourcePolicy } = asked
  return {
    identity: identity.map((document, index) =>
      source(`inline:${index + 1}`, document, 'identity'),
    ),
    ...(boundary === undefined ? {} : { boundary: source('boundary', boundary, 'identity') }),
    ...(session === undefined
      ? {}
      : { session: session.map((document) => source('session', document, 'session')) }),
    ...(resourcePolicy === undefined
      ? {}
      : { resource: source('bucket', resourcePolicy, 'resource') }),
  }
}

function decide(asked: Asked & { readonly trust?: unknown; readonly resource?: string }) {
  const caller = callers[asked.caller]
  if (caller === undefined) throw new Error(`no caller ${asked.caller} in callers.json`)
  const request = {
    caller,
    action: asked.action,
    resource: asked.resource ?? ROLE,
    resourceAccountId: ACCOUNT,
    context: { ...principalContext(caller), ...asked.context },
  }
  const policies = policiesOf(asked)
  return asked.trust === undefined
    ? authorize(request, policies)
    : authorizeTrust(request, source('trust', asked.trust, 'trust'), policies)
}

function conditionHolds({ version, condition, context }: ConditionCheck): boolean {
  const Statement = { Effect: 'Allow', Action: 's3:GetObject', Resource: '*', Condition: condition }
  const document =
    version === 'none' ? { Statement } : { Version: version ?? '2012-10-17', Statement }
  return authorize(
    {
      caller: callers['role-session']!,
      action: 's3:GetObject',
      resource: 'arn:aws:s3:::bucket/key',
      resourceAccountId: ACCOUNT,
      context,
    },
    { identity: [source('inline:1', document, 'identity')] },
  ).allowed
}

function messageOfParse({ parse, document, text }: ParseCheck): string | undefined {
  try {
    parsePolicy(text ?? JSON.stringify(document), parse)
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(PodroleError)
    const { code, status, hint, message } = error as PodroleError
    expect({ code, status }).toEqual({ code: 'MalformedPolicyDocument', status: 400 })
    expect(hint).toBeTruthy()
    return message
  }
}

function runCheck(check: Check): void {
  if ('condition' in check) {
    expect(conditionHolds(check)).toBe(check.holds)
  } else if ('parse' in check) {
    expect(check.valid === true).toBe(check.message === undefined)
    expect(messageOfParse(check)).toBe(check.message)
  } else {
    expect('trust' in check || 'resource' in check).toBe(true)
    const decision = decide(check)
    expect(decision.reason).toBe(check.decision)
    expect(decision.allowed).toBe(check.decision.startsWith('allowed-'))
  }
}

test('the cases are numbered 1 to 45, and each has a rule, a page of AWS and checks', () => {
  expect(cases.map(({ number }) => number)).toEqual(Array.from({ length: 45 }, (_, at) => at + 1))
  for (const { number, rule, source, checks } of cases) {
    expect(rule).toMatch(/\.$/)
    expect(source).toStartWith('https://docs.aws.amazon.com/')
    expect([number, checks.length > 1]).toEqual([number, true])
    expect(new Set(checks.map(({ check }) => check)).size).toBe(checks.length)
  }
})

test('what AWS leaves open or contradicts itself on has a note', () => {
  const noted = cases.filter(({ note }) => note !== undefined).map(({ number }) => number)
  expect(noted).toEqual(expect.arrayContaining([9, 14, 21, 26, 27, 39, 41]))
})

for (const { number, rule, checks } of cases) {
  describe(`case ${number}: ${rule}`, () => {
    for (const check of checks) test(check.check, () => runCheck(check))
  })
}
