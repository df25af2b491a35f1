import { expect, test } from 'bun:test'
import { PodroleError } from '../../lib/errors.ts'
import { type AddonCluster, enableAddon, updateAddon } from './addon-apply.ts'
import type { Addon, AddonPort } from './addon-port.ts'
import type { AssociationPort } from './association-port.ts'

const addonName = 'agent'
const wait = { timeoutMs: 500, firstDelayMs: 1, onProgress: () => {} }
const refuse = (): Promise<never> => Promise.reject(new Error('not asked'))

const addon = (change: Partial<Addon>): Addon => ({
  addonName,
  addonArn: 'arn',
  addonVersion: 'v2',
  status: 'ACTIVE',
  issues: [],
  podIdentityAssociations: [],
  tags: {},
  ...change,
})

/** One state after another, the last one for ever; what is asked for is noted in order. */
function clusterOf(states: readonly (Addon | undefined)[]): {
  readonly cluster: AddonCluster
  readonly asked: readonly string[]
} {
  const asked: string[] = []
  let at = 0
  const port: AddonPort = {
    place: 'EKS',
    list: refuse,
    describe: () => {
      const state = states[Math.min(at, states.length - 1)]
      at += 1
      return state === undefined
        ? Promise.reject(new PodroleError('ResourceNotFound', 'no add-on'))
        : Promise.resolve(state)
    },
    versions: (name, kubernetesVersion) => {
      asked.push(`versions of ${name} for ${kubernetesVersion}`)
      const version = kubernetesVersion === '1.36' ? 'v2' : 'v1'
      return Promise.resolve([{ version, isDefault: true, requiresIamPermissions: false }])
    },
    create: (made) => {
      asked.push(`create ${made.addonVersion}`)
      return Promise.resolve(addon({ status: 'CREATING' }))
    },
    update: (_name, settings) => {
      asked.push(`update ${settings.addonVersion}`)
      return Promise.resolve()
    },
    delete: refuse,
  }
  const associations: AssociationPort = {
    place: 'EKS',
    list: refuse,
    describe: refuse,
    create: refuse,
    update: refuse,
    delete: refuse,
    tagging: { tag: refuse, untag: refuse },
  }
  const options = '--cluster prod'
  const cluster = { port, associations, clusterName: 'prod', kubernetesVersion: '1.36', options }
  return { cluster, asked }
}

test('one that is there in any state is no end: it is waited for until it is ACTIVE', async () => {
  const states = [addon({ status: 'CREATING' }), addon({ status: 'CREATING' }), addon({})]
  const { asked, cluster } = clusterOf(states)
  const outcome = await enableAddon(cluster, { addonName }, wait)
  expect(outcome).toEqual({ addon: addon({}), done: [] })
  expect(asked).toEqual([])
})

test("one that is there and has failed is told with EKS's own words", async () => {
  const failed = addon({ status: 'CREATE_FAILED', issues: ['AccessDenied: no role for its nodes'] })
  for (const act of [enableAddon, updateAddon]) {
    const { cluster } = clusterOf([failed])
    await expect(act(cluster, { addonName }, wait)).rejects.toMatchObject({
      code: 'AddonFailed',
      message: `add-on ${addonName} is CREATE_FAILED: AccessDenied: no role for its nodes`,
    })
  }
})

test("its version is one for the cluster's Kubernetes", async () => {
  const made = clusterOf([undefined, addon({})])
  await enableAddon(made.cluster, { addonName }, wait)
  expect(made.asked).toEqual([`versions of ${addonName} for 1.36`, 'create v2'])
  const moved = clusterOf([addon({ addonVersion: 'v1' }), addon({})])
  await updateAddon(moved.cluster, { addonName }, wait)
  expect(moved.asked).toEqual([`versions of ${addonName} for 1.36`, 'update v2'])
})
