import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type KubeClient, SERVICE_ACCOUNTS } from '../../kube/client.ts'
import type { ServiceAccount } from '../../kube/objects.ts'
import { createKubeClient } from '../../kube/transport.ts'
import { createCertificateAuthority } from '../../lib/certificates.ts'
import { systemClock } from '../../lib/clock.ts'
import { codeOf } from '../../lib/errors.ts'
import { silentLog } from '../../lib/log.ts'
import { type SandboxCluster, startCluster } from '../../sandbox/cluster/cluster.ts'
import { State } from '../../sandbox/state.ts'
import { annotate, type AnnotationOptions, planAnnotations, ROLE_ANNOTATION } from './annotate.ts'

const ROLE = 'arn:aws:iam::111122223333:role/orders'
const NEVER: AnnotationOptions = { createServiceAccount: false, overwrite: false }
let cluster: SandboxCluster
let kube: KubeClient

beforeAll(async () => {
  cluster = await startCluster({
    name: 'one',
    issuer: 'https://one.issuer.sandbox',
    state: new State(),
    clock: systemClock,
    log: silentLog,
    authority: await createCertificateAuthority({ commonName: 'sandbox' }),
  })
  kube = createKubeClient({
    server: cluster.server,
    ca: cluster.certificateAuthority,
    token: () => cluster.adminToken,
  })
})
afterAll(() => cluster.stop())

const ref = (name: string): { namespace: string; name: string } => ({ namespace: 'default', name })
const read = (name: string): Promise<ServiceAccount> =>
  kube.get<ServiceAccount>(SERVICE_ACCOUNTS, ref(name))

async function run(
  name: string,
  options: Partial<AnnotationOptions> = {},
): Promise<readonly string[]> {
  const wanted = { roleArn: ROLE, serviceAccounts: [ref(name)] }
  const steps = await planAnnotations(kube, wanted, { ...NEVER, ...options })
  return Promise.all(steps.map((step) => annotate(kube, step, ROLE)))
}

describe('the annotation', () => {
  test('is the only thing that changes of a service account', async () => {
    await kube.create<ServiceAccount>(SERVICE_ACCOUNTS, {
      metadata: { ...ref('orders'), labels: { team: 'shop' }, annotations: { note: 'x' } },
      imagePullSecrets: [{ name: 'registry' }],
      automountServiceAccountToken: false,
    })
    const before = await read('orders')
    expect(await run('orders')).toEqual(['service account default/orders annotated'])
    const after = await read('orders')
    // Who owns which field is the API server's to say.
    const managedFields: unknown = expect.any(Array)
    const expected: object = {
      ...before,
      metadata: {
        ...before.metadata,
        annotations: { note: 'x', [ROLE_ANNOTATION]: ROLE },
        resourceVersion: after.metadata.resourceVersion ?? '',
        managedFields,
      },
    }
    expect<object>(after).toEqual(expected)
    expect(await run('orders')).toEqual([])
    expect((await read('orders')).metadata.resourceVersion).toBe(
      after.metadata.resourceVersion ?? '',
    )
  })

  test('of another role stays, unless it is to be overwritten', async () => {
    const other = 'arn:aws:iam::111122223333:role/other'
    await kube.create<ServiceAccount>(SERVICE_ACCOUNTS, {
      metadata: { ...ref('taken'), annotations: { [ROLE_ANNOTATION]: other } },
    })
    expect(await run('taken').catch(codeOf)).toBe('OtherRole')
    expect((await read('taken')).metadata.annotations?.[ROLE_ANNOTATION]).toBe(other)
    expect(await run('taken', { overwrite: true })).toHaveLength(1)
    expect((await read('taken')).metadata.annotations?.[ROLE_ANNOTATION]).toBe(ROLE)
  })

  test('on a service account that is missing, which is made where that is asked for', async () => {
    expect(await run('missing').catch(codeOf)).toBe('NoServiceAccount')
    expect(await run('missing', { createServiceAccount: true })).toEqual([
      'service account default/missing made, with the annotation',
    ])
    expect((await read('missing')).metadata.annotations).toEqual({
      [ROLE_ANNOTATION]: ROLE,
      'podrole.dev/managed-by': 'podrole',
    })
    const nowhere = { roleArn: ROLE, serviceAccounts: [{ namespace: 'nowhere', name: 'x' }] }
    const [step] = await planAnnotations(kube, nowhere, { ...NEVER, createServiceAccount: true })
    if (step === undefined) throw new Error('no step')
    expect(await annotate(kube, step, ROLE).catch(codeOf)).toBe('NotFound')
  })

  test('is not written onto a service account that somebody changed meanwhile', async () => {
    await kube.create<ServiceAccount>(SERVICE_ACCOUNTS, { metadata: ref('racing') })
    const wanted = { roleArn: ROLE, serviceAccounts: [ref('racing')] }
    const [step] = await planAnnotations(kube, wanted, NEVER)
    if (step === undefined) throw new Error('no step')
    await kube.mergePatch(SERVICE_ACCOUNTS, ref('racing'), { metadata: { labels: { a: 'b' } } })
    expect(await annotate(kube, step, ROLE).catch(codeOf)).toBe('ServiceAccountChanged')
    expect((await read('racing')).metadata.annotations).toBeUndefined()
  })
})
