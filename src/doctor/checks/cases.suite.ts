/** The cases of testdata/, read and turned into facts; testdata/README.md says what they hold. */
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { discoveryDocument } from '../../issuer/documents.ts'
import type { DocumentAnswer, OutsideFacts } from '../../issuer/outside/facts.ts'
import { applyMergePatch } from '../../kube/merge-patch.ts'
import { createCertificateAuthority } from '../../lib/certificates.ts'
import type { PlanRole } from '../../manage/plan/observed-state.ts'
import type { DoctorFacts } from '../facts/doctor-facts.ts'
import { type Fact, known, unknown } from '../facts/fact.ts'
import { CHECKS, type CheckId } from './table.ts'

const TESTDATA = join(import.meta.dir, 'testdata')
const ACCOUNT = '111122223333'
const CHECK_IDS = Object.keys(CHECKS) as [CheckId, ...CheckId[]]

const CaseSchema = z.strictObject({
  about: z.string().min(10),
  set: z.record(z.string(), z.unknown()),
  findings: z.array(z.strictObject({ id: z.enum(CHECK_IDS), subject: z.string() })),
  notLookedAt: z.array(z.string()).default([]),
})

export type DoctorCase = z.infer<typeof CaseSchema> & {
  readonly name: string
  readonly facts: DoctorFacts
}

export function readDoctorCases(): readonly DoctorCase[] {
  const base: unknown = readBase()
  return readdirSync(join(TESTDATA, 'cases')).map((file) => {
    const text = readFileSync(join(TESTDATA, 'cases', file), 'utf8')
    const one = CaseSchema.parse(parse(text))
    const facts = factsOf(applyMergePatch(base, one.set))
    return { name: basename(file, '.yaml'), ...one, facts }
  })
}

export const baseFacts = (): DoctorFacts => factsOf(readBase())

const readBase = (): unknown =>
  parse(readFileSync(join(TESTDATA, 'base.yaml'), 'utf8'), { maxAliasCount: 1000 })

const Loose = z.record(z.string(), z.unknown())
const Unreadable = z.looseObject({ unreadable: z.string() })
const WrittenRole = z.strictObject({
  trust: Loose,
  inline: z.record(z.string(), Loose).default({}),
  attached: z.array(z.string()).default([]),
})
const Outside = z.strictObject({
  status: z.number().default(200),
  keys: z.array(z.string()).default([]),
  unreachable: z.string().optional(),
  nameless: z.boolean().default(false),
})
const Webhooks = z.array(z.looseObject({ service: Loose.optional(), certificateEnds: z.unknown() }))

function factOf<T>(written: unknown, read: (value: unknown) => T): Fact<T> {
  const refused = Unreadable.safeParse(written)
  return refused.success ? unknown(refused.data.unreadable) : known(read(written))
}

const plain = (value: unknown): never => (value ?? undefined) as never

function factsOf(written: unknown): DoctorFacts {
  const all = Loose.parse(written)
  const cluster = Loose.parse(all['cluster'])
  const of = (name: string): Fact<never> => factOf(cluster[name], plain)
  const issuer = z.string().catch('').parse(cluster['issuer'])
  return {
    nowMs: Date.parse(String(all['now'])),
    accountId: ACCOUNT,
    partition: 'aws',
    region: 'eu-west-1',
    version: '2.0.0',
    roles: factOf(all['roles'], rolesOf),
    policyTexts: Object.fromEntries(
      Object.entries(Loose.parse(all['policies'])).map(([arn, policy]) => [
        arn,
        factOf(policy, (value) => (value === null ? undefined : textOf(value))),
      ]),
    ),
    providers: factOf(all['providers'], plain),
    eksClusters: factOf(all['eksClusters'], plain),
    foreignIssuers: Object.fromEntries(
      Object.entries(Loose.parse(all['foreignIssuers'])).map(([url, outside]) => [
        url,
        factOf(outside, (value) => outsideOf(url, Outside.parse(value))),
      ]),
    ),
    signingKeys: factOf(all['signingKeys'], plain),
    clusters: [
      {
        name: String(cluster['name']),
        eks: of('eks'),
        nodegroups: of('nodegroups'),
        fargateProfiles: of('fargateProfiles'),
        associations: of('associations'),
        agentAddon: of('agentAddon'),
        instances: of('instances'),
        serviceAccounts: of('serviceAccounts'),
        namespaces: of('namespaces'),
        pods: of('pods'),
        nodes: of('nodes'),
        webhooks: factOf(cluster['webhooks'], webhooksOf),
        issuer: of('issuer'),
        liveKeys: factOf(cluster['liveKeys'], (kids) => ({
          keys: z.array(z.string()).parse(kids).map(keyOf),
        })),
        outside: factOf(cluster['outside'], (value) =>
          value === null ? undefined : outsideOf(issuer, Outside.parse(value)),
        ),
      },
    ],
  }
}

const textOf = (policy: unknown): string =>
  JSON.stringify({ Version: '2012-10-17', ...Loose.parse(policy) })

const rolesOf = (written: unknown): readonly PlanRole[] =>
  Object.entries(z.record(z.string(), WrittenRole).parse(written)).map(([name, role]) => ({
    name,
    arn: `arn:aws:iam::${ACCOUNT}:role/${name}`,
    trustPolicy: textOf(role.trust),
    tags: {},
    policyArns: role.attached,
    inline: Object.fromEntries(
      Object.entries(role.inline).map(([policy, value]) => [policy, textOf(value)]),
    ),
  }))

const webhooksOf = (written: unknown): never =>
  Webhooks.parse(written).map(({ certificateEnds, service, ...webhook }) => ({
    ...webhook,
    ...(service !== undefined && {
      service: { ...service, selector: factOf(service['selector'], plain) },
    }),
    certificateEnds: factOf(certificateEnds, plain),
  })) as never

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const JWK = publicKey.export({ format: 'jwk' })
const keyOf = (kid: string): never => ({ ...JWK, kid, alg: 'ES256', use: 'sig' }) as never

const authority = await createCertificateAuthority({ commonName: 'doctor cases' })
/** Hosts of the cases' issuers. */
const HOSTS = ['oidc.eks.eu-west-1.amazonaws.com', 'edge.example']
const { raw: LEAF } = new X509Certificate((await authority.issue({ names: HOSTS })).cert)

/** What a look finds. */
function outsideOf(
  issuer: string,
  { keys, nameless, status, unreachable }: z.infer<typeof Outside>,
): OutsideFacts {
  const host = new URL(issuer).hostname
  const jwksUri = `${issuer}/keys`
  const answer = (text: string): DocumentAnswer =>
    unreachable === undefined && !nameless
      ? { kind: 'answer', status, location: undefined, text }
      : { kind: 'none', reason: unreachable ?? 'ENOTFOUND' }
  const document = (url: string, text: string): OutsideFacts['discovery'] => ({
    url,
    elapsedMs: 20,
    distrust: undefined,
    answer: answer(text),
  })
  const jwks = { keys: keys.map(keyOf) }
  const discovery = JSON.stringify(discoveryDocument(issuer, { algorithms: ['ES256'], jwksUri }))
  return {
    issuer,
    atMs: Date.now(),
    hosts: [
      {
        host,
        addresses: nameless ? [] : ['192.0.2.1'],
        unreachable: nameless ? 'the name has no address' : unreachable,
        handshakeFault: undefined,
        tls12Fault: undefined,
        chain: [LEAF],
      },
    ],
    discovery: document(`${issuer}/.well-known/openid-configuration`, discovery),
    jwks: document(jwksUri, JSON.stringify(jwks)),
  }
}
