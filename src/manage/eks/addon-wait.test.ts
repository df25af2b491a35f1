import { expect, test } from 'bun:test'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import type { Addon, AddonPort } from './addon-port.ts'
import { chooseVersion } from './addon-apply.ts'
import { waitUntilActive, waitUntilGone } from './addon-wait.ts'

const addon = (change: Partial<Addon>): Addon => ({
  addonName: 'agent',
  addonArn: 'arn',
  addonVersion: 'v2',
  status: 'ACTIVE',
  issues: [],
  podIdentityAssociations: [],
  tags: {},
  ...change,
})

/** Shows one state after another, the last one for ever; undefined is one that is not there. */
function portOf(states: readonly (Partial<Addon> | undefined)[]): AddonPort {
  let at = 0
  const describe = (): Promise<Addon> => {
    const state = states[Math.min(at, states.length - 1)]
    at += 1
    return state === undefined
      ? Promise.reject(new PodroleError('ResourceNotFound', 'no add-on'))
      : Promise.resolve(addon(state))
  }
  const refuse = (): Promise<never> => Promise.reject(new Error('not asked'))
  return {
    place: 'EKS',
    describe,
    list: refuse,
    versions: refuse,
    create: refuse,
    update: refuse,
    delete: refuse,
  }
}

const told: string[] = []
const wait = { timeoutMs: 500, firstDelayMs: 1, onProgress: (text: string) => void told.push(text) }
const wanted = { addonName: 'agent', addonVersion: 'v2' }

test('a read that is behind is no end: not there yet, or ACTIVE with the version from before', async () => {
  told.length = 0
  const before = { addonVersion: 'v1' }
  const states = [undefined, before, { ...before, status: 'DEGRADED' }, { status: 'UPDATING' }, {}]
  expect(await waitUntilActive(portOf(states), wanted, wait)).toEqual(addon({}))
  expect(told).toEqual([
    'add-on agent is not shown yet',
    'add-on agent is ACTIVE',
    'add-on agent is DEGRADED',
    'add-on agent is UPDATING',
  ])
})

test.each(['CREATE_FAILED', 'UPDATE_FAILED', 'DEGRADED'])(
  '%s ends it, with what EKS says is wrong',
  async (status) => {
    const issues = ['InsufficientNumberOfReplicas: no node']
    const ended = waitUntilActive(portOf([{ status, issues }]), wanted, wait)
    await expect(ended).rejects.toMatchObject({
      code: 'AddonFailed',
      message: `add-on agent is ${status}: ${issues[0]}`,
    })
  },
)

test('the time is over at some time; gone is gone', async () => {
  const creating = portOf([{ status: 'CREATING' }])
  expect(await waitUntilActive(creating, wanted, { ...wait, timeoutMs: 20 }).catch(codeOf)).toBe(
    'AddonTimeout',
  )
  await waitUntilGone(portOf([{ status: 'DELETING' }, undefined]), 'agent', wait)
  const failed = portOf([{ status: 'DELETE_FAILED' }])
  expect(await waitUntilGone(failed, 'agent', wait).catch(codeOf)).toBe('AddonFailed')
})

test('a version is chosen of those that work with the cluster', () => {
  const one = (
    version: string,
    isDefault = false,
  ): Parameters<typeof chooseVersion>[0][number] => ({
    version,
    isDefault,
    requiresIamPermissions: false,
  })
  const versions = [one('v3'), one('v2', true), one('v1')]
  const choose = (version: string, from = versions): string | undefined => {
    try {
      return chooseVersion(from, { addonName: 'agent', version, kubernetesVersion: '1.36' })
    } catch (error) {
      return codeOf(error)
    }
  }
  expect(['latest', 'default', 'v1', 'v0'].map((version) => choose(version))).toEqual([
    'v3',
    'v2',
    'v1',
    'NoAddonVersion',
  ])
  expect(choose('latest', [])).toBe('NoAddonVersion')
  expect(choose('default', [one('v3')])).toBe('v3')
})
