import { expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { parse } from 'yaml'
import { applyJsonPatch, equalJson, type JsonPatch } from '../kube/json-patch.ts'
import type { ServiceAccount } from '../kube/objects.ts'
import { parseWebhookConfig } from './config.ts'
import { decideMutation, type Mutation } from './mutation.ts'
import { hostilePods, plausiblePods } from './pod-view.suite.ts'

const RUNS = Math.ceil(300 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))

type Json = Record<string, unknown>

interface TestContainer extends Json {
  name: string
  env?: { name: string; value?: string }[]
  volumeMounts?: Json[]
  resources?: Json
}

interface TestPod extends Json {
  metadata: { annotations?: Record<string, string>; labels?: Record<string, string> } & Json
  spec: { containers: TestContainer[]; initContainers?: TestContainer[]; volumes?: Json[] } & Json
}

// --- The pods of amazon-eks-pod-identity-webhook's own tests.

const FIXTURES = join(import.meta.dir, '../../../shared/fixtures/webhook')
const TESTING = 'testing.eks.amazonaws.com/'

if (existsSync(FIXTURES)) {
  const files = readdirSync(FIXTURES, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.ya?ml$/.test(file))
    .sort()
  for (const file of files) test(`AWS's fixture ${file}`, () => checkFixture(join(FIXTURES, file)))
} else {
  // They are not part of podrole: this is no tool that could be installed.
  test.skip("AWS's webhook fixtures (skipped: ../shared/fixtures/webhook is absent)", () =>
    undefined)
}

function checkFixture(path: string): void {
  // One fixture has a key twice.
  const pod: TestPod = parse(readFileSync(path, 'utf8'), { uniqueKeys: false })
  const annotations = pod.metadata.annotations ?? {}
  const setting = (name: string): string | undefined => annotations[`${TESTING}${name}`]
  if (setting('skip') === 'true') return
  pod.metadata['namespace'] = 'default'
  pod.spec['serviceAccountName'] = 'default'
  const mutation = decideMutation({
    pod,
    namespace: 'default',
    serviceAccount: fixtureServiceAccount(setting),
    containerCredentials: Boolean(setting('containercredentials/uri')),
    config: fixtureConfig(setting),
    random: () => 0,
  })
  const expected: JsonPatch = JSON.parse(setting('expectedPatch') ?? 'null')
  const ours = typed(applyJsonPatch(pod, mutation.patch))
  const theirs = typed(applyJsonPatch(pod, expected))
  expect(ours).toEqual(theirs)
  expect(envNames(ours)).toEqual(envNames(theirs))
}

type Setting = (name: string) => string | undefined

function fixtureServiceAccount(setting: Setting): ServiceAccount {
  const annotations: Record<string, string> = {}
  const names = { roleArn: 'role-arn', audience: 'audience' }
  for (const [from, to] of Object.entries(names)) {
    const value = setting(`serviceAccount/${from}`)
    if (value !== undefined) annotations[`eks.amazonaws.com/${to}`] = value
  }
  for (const name of ['sts-regional-endpoints', 'token-expiration']) {
    const value = setting(`serviceAccount/${name}`)
    if (value !== undefined) annotations[`eks.amazonaws.com/${name}`] = value
  }
  return { metadata: { name: 'default', namespace: 'default', annotations } }
}

function fixtureConfig(setting: Setting): ReturnType<typeof parseWebhookConfig> {
  const config = parseWebhookConfig({
    'sts-regional-endpoint': setting('handler/injectSTS') === 'true',
    'token-expiration': setting('handler/expiration'),
    'token-mount-path': setting('handler/mountPath'),
    'aws-default-region': setting('handler/region'),
    'container-credentials-audience': setting('containercredentials/audience'),
    'container-credentials-token-mount-path': setting('containercredentials/mountPath'),
    'container-credentials-token-volume-name': setting('containercredentials/volumeName'),
    'container-credentials-token-path': setting('containercredentials/tokenPath'),
  })
  // The fixtures' URI is not one, which a setting must be.
  return { ...config, containerCredentialsFullUri: setting('containercredentials/uri') ?? '' }
}

/** What Go's typed round trip makes of containers, on which nothing depends. */
function typed(pod: TestPod): TestPod {
  const result = structuredClone(pod)
  for (const container of containersOf(result)) {
    container.resources ??= {}
    for (const mount of container.volumeMounts ?? []) {
      mount['mountPath'] ??= ''
      delete mount['path']
    }
    for (const probe of ['readinessProbe', 'livenessProbe', 'startupProbe']) {
      const grpc = (container[probe] as { grpc?: Json } | undefined)?.grpc
      if (grpc) grpc['service'] ??= null
    }
  }
  return result
}

const containersOf = (pod: TestPod): TestContainer[] => [
  ...pod.spec.containers,
  ...(pod.spec.initContainers ?? []),
]

const envNames = (pod: TestPod): Record<string, string[]> =>
  Object.fromEntries(
    containersOf(pod).map(({ name, env }) => [name, (env ?? []).map((entry) => entry.name)]),
  )

// --- podrole's own cases.

interface Case {
  readonly name: string
  readonly pod: TestPod
  readonly serviceAccount?: Record<string, string> | null
  readonly association?: boolean
  readonly config?: Record<string, unknown>
  readonly random?: number
  readonly reason: string
  readonly method?: string
  /** Paths of the patch's operations, in order. */
  readonly touches?: string[]
  /** `CONTAINER: [NAME=VALUE]` of the result. */
  readonly env?: Record<string, string[]>
  /** `CONTAINER: [VOLUME at PATH]` of the result. */
  readonly mounts?: Record<string, string[]>
  readonly volumes?: Json[]
  readonly labels?: Record<string, string>
  readonly warnings?: string[]
}

const CASES = join(import.meta.dir, 'testdata')
for (const file of readdirSync(CASES).filter((name) => /^mutation-.*\.yaml$/.test(name))) {
  for (const one of parse(readFileSync(join(CASES, file), 'utf8')) as Case[]) {
    test(`${file}: ${one.name}`, () => checkCase(one))
  }
}

function decide(one: Case, pod: unknown): Mutation {
  return decideMutation({
    pod,
    namespace: 'team',
    serviceAccount:
      one.serviceAccount === null
        ? undefined
        : {
            metadata: { name: 'app', namespace: 'team', annotations: one.serviceAccount ?? ROLE },
          },
    containerCredentials: one.association ?? false,
    config: parseWebhookConfig(one.config),
    random: () => one.random ?? 0,
  })
}

const ROLE = { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::111122223333:role/app' }

function checkCase(one: Case): void {
  const before = JSON.stringify(one.pod)
  const mutation = decide(one, one.pod)
  expect(mutation.reason as string).toBe(one.reason)
  expect(mutation.method as string).toBe(
    one.method ?? (one.reason === 'Mutated' ? 'irsa' : mutation.method),
  )
  expect(mutation.warnings).toEqual(one.warnings ?? [])
  if (one.touches) expect(mutation.patch.map(({ path }) => path)).toEqual(one.touches)
  expect(mutation.auditAnnotations['reason']).toBe(one.reason)
  const result = applyJsonPatch(one.pod, mutation.patch)
  expect(JSON.stringify(one.pod)).toBe(before)
  for (const [name, entries] of Object.entries(one.env ?? {})) {
    const env = containersOf(result).find((container) => container.name === name)?.env ?? []
    expect(env.map((entry) => `${entry.name}=${entry.value ?? ''}`)).toEqual(entries)
  }
  for (const [name, entries] of Object.entries(one.mounts ?? {})) {
    const mounts =
      containersOf(result).find((container) => container.name === name)?.volumeMounts ?? []
    expect(
      mounts.map((mount) => `${String(mount['name'])} at ${String(mount['mountPath'])}`),
    ).toEqual(entries)
  }
  if (one.volumes) expect(result.spec.volumes).toEqual(one.volumes)
  if (one.labels) expect(result.metadata.labels).toEqual(one.labels)
  if (mutation.patch.length > 0) expect(decide(one, result).patch).toEqual([])
}

// --- Laws.

const settings = fc.record({
  association: fc.boolean(),
  config: fc.record({
    'aws-default-region': fc.constantFrom('', 'eu-west-1'),
    'sts-regional-endpoint': fc.boolean(),
  }),
})

test('law: mutating a pod twice changes nothing the second time', () => {
  fc.assert(
    fc.property(plausiblePods, settings, fc.double({ min: 0, max: 0.999 }), (pod, some, random) => {
      const one = { ...some, name: '', pod: pod as TestPod, reason: '', random }
      const first = decide(one, pod)
      const result = applyJsonPatch(pod, first.patch)
      expect(decide(one, result).patch).toEqual([])
    }),
    { numRuns: RUNS },
  )
})

test('law: what a patch adds taken away, the pod is as it was', () => {
  fc.assert(
    fc.property(plausiblePods, settings, (pod, some) => {
      const before = pod as TestPod
      const { patch } = decide({ ...some, name: '', pod: before, reason: '' }, pod)
      expect(patch.every(({ op }) => op === 'add')).toBe(true)
      const after = structuredClone(applyJsonPatch(before, patch))
      takeAway(after, before, patch)
      expect(equalJson(after, before)).toBe(true)
    }),
    { numRuns: RUNS },
  )
})

/** Undoes each addition from the last to the first, by its path alone. */
function takeAway(after: Json, before: Json, patch: JsonPatch): void {
  for (const { path } of patch.toReversed()) {
    const keys = path
      .slice(1)
      .split('/')
      .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
    const last = keys.pop() ?? ''
    let parent: unknown = after
    for (const key of keys) parent = (parent as Json)[key]
    if (!Array.isArray(parent)) {
      const holder = parent as Json
      const old = keys.reduce<unknown>((value, key) => (value as Json)[key], before) as Json
      if (Object.hasOwn(old, last)) holder[last] = old[last]
      else delete holder[last]
    } else if (last === '-') parent.pop()
    else parent.splice(Number(last), 1)
  }
}

test('fuzz: no JSON makes it throw, and a patch always applies', () => {
  fc.assert(
    fc.property(fc.oneof(hostilePods, fc.jsonValue()), fc.boolean(), (pod, association) => {
      const one: Case = { name: '', pod: {} as TestPod, reason: '', association }
      const mutation = decide(one, pod)
      if (mutation.patch.length > 0) applyJsonPatch(pod, mutation.patch)
      for (const warning of mutation.warnings) expect(warning.length).toBeLessThanOrEqual(256)
      expect(mutation.warnings.length).toBeLessThanOrEqual(10)
    }),
    { numRuns: RUNS * 3 },
  )
})

test('a pod that would need more operations than the API server applies is left alone', () => {
  const containers = Array.from({ length: 6000 }, (_, at) => ({ name: `c${at}` }))
  const pod = { metadata: {}, spec: { containers } }
  const mutation = decide({ name: '', pod, reason: '' }, pod)
  expect(mutation).toMatchObject({ reason: 'InvalidPod', patch: [] })
})

test('a mount path of a million slashes holds nothing up', () => {
  const mountPath = `${'/'.repeat(1_000_000)}x`
  const containers = [{ name: 'a', volumeMounts: [{ name: 'own', mountPath }] }]
  const pod = { metadata: {}, spec: { containers } }
  expect(decide({ name: '', pod, reason: '' }, pod).reason).toBe('Mutated')
})
