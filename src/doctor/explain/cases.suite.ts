/** The cases of testdata/, read and checked; testdata/README.md says what they hold. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { applyMergePatch } from '../../kube/merge-patch.ts'
import { ENFORCERS, type PolicyEnforcer } from '../facts/network-facts.ts'
import { REASONS, type ReasonCode } from './reasons.ts'

const TESTDATA = join(import.meta.dir, 'testdata')

const Texts = z.record(z.string(), z.string())
const Policy = z.looseObject({ Statement: z.array(z.looseObject({ Effect: z.string() })) })
const Policies = z.record(z.string(), Policy)

const Association = z.strictObject({
  role: z.string(),
  targetRole: z.string().optional(),
  disableSessionTags: z.boolean().optional(),
  ageSeconds: z.number().default(3600),
  policy: Policy.optional(),
})

const Selector = z.strictObject({
  matchLabels: Texts.optional(),
  matchExpressions: z
    .array(
      z.strictObject({
        key: z.string(),
        operator: z.string(),
        values: z.array(z.string()).optional(),
      }),
    )
    .optional(),
})

const Network = z.strictObject({
  enforcer: z.enum(Object.keys(ENFORCERS) as [PolicyEnforcer, ...PolicyEnforcer[]]).optional(),
  policies: z.array(
    z.strictObject({
      name: z.string().default('limits'),
      podSelector: Selector.default({}),
      policyTypes: z.array(z.string()).optional(),
      egress: z
        .array(
          z.strictObject({
            to: z
              .array(
                z.strictObject({
                  ipBlock: z
                    .strictObject({ cidr: z.string(), except: z.array(z.string()).optional() })
                    .optional(),
                  podSelector: Selector.optional(),
                  namespaceSelector: Selector.optional(),
                }),
              )
              .optional(),
            ports: z
              .array(
                z.strictObject({
                  protocol: z.string().optional(),
                  port: z.union([z.number(), z.string()]).optional(),
                  endPort: z.number().optional(),
                }),
              )
              .optional(),
          }),
        )
        .optional(),
    }),
  ),
})

/** What a pod's container `main` may run, in place of the AWS SDK for JavaScript 3. */
const POD_PROGRAMS = [
  'go-v2',
  'boto3@1.9.86',
  'boto3@1.9.220',
  'boto3@1.26.30',
  'boto3@1.34.41',
] as const
export type PodProgram = (typeof POD_PROGRAMS)[number]

const SetUpSchema = z.strictObject({
  serviceAccount: z.strictObject({ annotations: Texts }).optional(),
  pod: z.strictObject({
    program: z.enum(POD_PROGRAMS).optional(),
    labels: Texts.optional(),
    annotations: Texts.optional(),
    env: Texts.optional(),
    volumes: z.array(z.looseObject({ name: z.string() })).optional(),
    volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })).optional(),
    containers: z.array(z.strictObject({ name: z.string(), env: Texts.optional() })).optional(),
    initContainers: z.array(z.strictObject({ name: z.string(), env: Texts.optional() })).optional(),
  }),
  role: z
    .strictObject({
      path: z.string(),
      trust: Policy,
      inline: Policies,
      attached: Policies,
      boundary: Policy.optional(),
      maxSessionSeconds: z.number().optional(),
      madeAgain: z.boolean().default(false),
    })
    .optional(),
  association: Association.optional(),
  token: z
    .strictObject({
      subject: z.string().optional(),
      audiences: z.array(z.string()).default(['sts.amazonaws.com']),
      authorizedParty: z.string().optional(),
      roles: z.array(z.string()).optional(),
      tags: Texts.optional(),
      expiresInSeconds: z.number().default(3600),
      issuedInSeconds: z.number().default(0),
      algorithm: z.string().default('ES256'),
      fault: z.string().optional(),
    })
    .optional(),
  error: z.string().optional(),
  sdk: z.string().optional(),
  targetRole: z
    .strictObject({ account: z.string().optional(), trust: Policy, inline: Policies })
    .optional(),
  agent: z.enum(['runs', 'missing', 'not-ready']).default('runs'),
  network: Network.optional(),
  providers: z.record(z.string(), z.array(z.string())),
  thumbprints: z.array(z.string()).optional(),
  issuer: z.enum([
    'well',
    'slow',
    'forbidden',
    'redirects',
    'not-json',
    'other-issuer',
    'other-keys',
    'down',
    'expired',
    'private',
    'with-port',
  ]),
  webhook: z.enum(['runs', 'missing']),
  bucket: z.strictObject({ policy: Policy.optional() }),
  organization: Policies,
  unseen: z.array(z.enum(['pod', 'cluster', 'associations'])).optional(),
})

/** What is there, as testdata/README.md describes it. */
export type SetUp = z.infer<typeof SetUpSchema>

const Patch = z.record(z.string(), z.unknown())
const CaseSchema = z
  .strictObject({
    name: z.string().min(10),
    method: z.enum(['irsa', 'irsa-on-eks', 'pod-identity', 'broker']),
    set: Patch.default({}),
    later: Patch.default({}),
    expect: z
      .strictObject({
        cause: z.enum(Object.keys(REASONS) as [ReasonCode, ...ReasonCode[]]),
        fix: z.enum(['desired', 'commands', 'outside']),
      })
      .optional(),
    says: z.string().min(1).optional(),
    open: z.string().min(1).optional(),
    'program-says': z.string().optional(),
    needs: z.literal('network-namespaces').optional(),
    repair: Patch.optional(),
    options: z.string().default(''),
    partition: z.string().default('aws'),
    'only-over-facts': z.string().optional(),
  })
  .refine(({ expect, repair }) => (expect?.fix === 'outside') === (repair !== undefined), {
    error: 'repair goes with fix: outside, and with nothing else',
  })
  .refine(
    (one) =>
      one.open === undefined || (one.expect === undefined && one['only-over-facts'] !== undefined),
    { error: 'open goes with only-over-facts, and without expect' },
  )
  .refine(({ expect, says }) => says === undefined || expect !== undefined, {
    error: 'says goes with expect',
  })

type CaseFile = z.infer<typeof CaseSchema>

export interface Case extends Pick<
  CaseFile,
  'name' | 'method' | 'expect' | 'open' | 'says' | 'options' | 'partition'
> {
  /** The file's name, without `.yaml`. */
  readonly id: string
  /** With the words of one place. */
  readonly at: (words: Words) => PlacedCase
  /** Its issuer or webhook does not do what it should. */
  readonly needsOwnCluster: boolean
  /** That its pods run, beside the AWS SDK for JavaScript. */
  readonly programs: readonly PodProgram[]
  /** The agent is to be on its link-local address, which it is in a network namespace alone. */
  readonly needsNamespaces: boolean
  /** In what the pod's program says of it. */
  readonly programSays?: string
  /** Why a sandbox cannot have it. */
  readonly onlyOverFacts?: string
}

export interface PlacedCase {
  /** Before the pod is made, after it, and when what the fix says is done. */
  readonly before: SetUp
  readonly after: SetUp
  readonly repaired: SetUp
}

/** What stands for the words in angle brackets. */
export interface Words {
  readonly account: string
  readonly 'other-account': string
  /** `https://…` */
  readonly issuer: string
  readonly namespace: string
  readonly bucket: string
  /** `https://…`, of the broker. */
  readonly fleet: string
  /** Names of the role and of the cluster. */
  readonly role: string
  readonly cluster: string
  /** `http://…`, a proxy that reaches nothing. */
  readonly proxy: string
}

/** Every case, by its file's name. @throws where a file is not one */
export function readCases(): readonly Case[] {
  const folder = join(TESTDATA, 'cases')
  return readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .map((file) => readCase(join(folder, file)))
}

function readCase(file: string): Case {
  const id = basename(file, '.yaml')
  const text = readFileSync(file, 'utf8')
  const parsed = parseCase(id, text)
  const { expect, method, name, open, options, partition, says } = parsed
  const { 'only-over-facts': onlyOverFacts, 'program-says': programSays } = parsed
  const base = readFileSync(join(TESTDATA, 'base', `${method}.yaml`), 'utf8')
    // Everything is written for the partition that most accounts are in.
    .replaceAll('arn:aws:', `arn:${partition}:`)
  const at = (words: Words): PlacedCase => {
    const { later, repair = {}, set } = parseCase(id, replaceWords(text, words))
    const read = (patched: unknown): SetUp => SetUpSchema.parse(patched)
    const before = applyMergePatch<unknown>(parse(replaceWords(base, words)), set)
    const after = applyMergePatch(before, later)
    return {
      before: read(before),
      after: read(after),
      repaired: read(applyMergePatch(after, repair)),
    }
  }
  const { after, before, repaired } = at(NOWHERE)
  const isOdd = ({ issuer, webhook }: SetUp): boolean => issuer !== 'well' || webhook !== 'runs'
  // A provider is an account's, and EKS clusters take roles of their own account.
  const needsOwnCluster = method === 'irsa-on-eks' || isOdd(before) || isOdd(after)
  return {
    id,
    name,
    method,
    options,
    partition,
    at,
    needsOwnCluster,
    needsNamespaces: parsed.needs === 'network-namespaces',
    programs: [...new Set([before, repaired].flatMap(({ pod }) => pod.program ?? []))],
    ...(expect && { expect }),
    ...(open !== undefined && { open }),
    ...(says !== undefined && { says }),
    ...(programSays !== undefined && { programSays }),
    ...(onlyOverFacts !== undefined && { onlyOverFacts }),
  }
}

function parseCase(id: string, text: string): CaseFile {
  const result = CaseSchema.safeParse(parse(text))
  if (result.success) return result.data
  throw new Error(`case ${id}: ${z.prettifyError(result.error)}`)
}

export const NOWHERE: Words = {
  account: '111122223333',
  'other-account': '444455556666',
  issuer: 'https://edge.issuer.sandbox/clusters/edge',
  namespace: 'shop',
  bucket: 'shop-orders',
  fleet: 'https://fleet.issuer.sandbox',
  role: 'orders',
  cluster: 'shop',
  proxy: 'http://proxy.shop.svc:3128',
}

const SCHEME = 'https://'.length

function replaceWords(text: string, words: Words): string {
  const { fleet, issuer } = words
  const all = { ...words, host: issuer.slice(SCHEME), 'fleet-host': fleet.slice(SCHEME) }
  return text.replaceAll(/<([a-z-]+)>/g, (whole, word: string) => {
    const value: unknown = Reflect.get(all, word)
    if (typeof value === 'string') return value
    throw new Error(`${whole} stands for nothing`)
  })
}

/** The pod that reads the object, before anybody admits it; `main` is of `how.main`. */
export function podOf(
  setUp: SetUp,
  words: Words,
  how: { readonly image: string; readonly main?: string },
): object {
  const { annotations, labels, volumeMounts = [], volumes = [] } = setUp.pod
  const { containers = [], env, initContainers = [] } = setUp.pod
  // Each reads the object: a container that is not looked at may fail.
  const container = (name: string, own: Readonly<Record<string, string>> = {}): object => ({
    name,
    image: how.image,
    args: ['check', words.bucket, 'today.txt'],
    env: Object.entries(own).map(([key, value]) => ({ name: key, value })),
  })
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'orders',
      namespace: words.namespace,
      ...(labels !== undefined && { labels }),
      ...(annotations !== undefined && { annotations }),
    },
    spec: {
      serviceAccountName: 'orders',
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      volumes,
      initContainers: initContainers.map((one) => container(one.name, one.env)),
      containers: [
        { ...container('main', env), image: how.main ?? how.image, volumeMounts },
        ...containers.map((one) => container(one.name, one.env)),
      ],
    },
  }
}
