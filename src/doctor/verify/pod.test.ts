import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { expandReferences } from '../../sandbox/node/environment.ts'
import { byHand } from './by-hand.ts'
import { inPodProgram, isLeftOver, type PodRequest, verifyPod } from './pod.ts'

const REQUEST: PodRequest = {
  serviceAccount: { namespace: 'shop', name: 'orders' },
  image: 'amazon/aws-cli:2.34.24',
  checks: [],
  timeoutMs: 120_000,
  runId: 'run',
  user: 65_532,
}

test('it fits the restricted Pod Security Standard, and has no token of its own', () => {
  const { metadata, spec } = verifyPod(REQUEST)
  expect(metadata).toEqual({
    generateName: 'podrole-verify-',
    namespace: 'shop',
    labels: {
      'app.kubernetes.io/managed-by': 'podrole',
      'podrole.dev/verify': 'true',
      'podrole.dev/verify-run': 'run',
    },
  })
  expect(spec).toMatchObject({
    serviceAccountName: 'orders',
    automountServiceAccountToken: false,
    restartPolicy: 'Never',
    activeDeadlineSeconds: 150,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65_532,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [
      {
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          readOnlyRootFilesystem: true,
        },
      },
    ],
  })
  expect(spec.volumes?.map((volume) => Object.keys(volume))).toEqual([['name', 'emptyDir']])
  const { securityContext } = verifyPod({ ...REQUEST, user: undefined }).spec
  expect(securityContext).toEqual({
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  })
})

const CHARACTERS = Array.from('ab \'"$()`\\*;&|<>!#~{}%')

test('words reach the command as they are, whatever is in them', async () => {
  // Several programs in one shell: starting one for each word would take long.
  const words = fc.sample(
    fc.array(fc.string({ unit: fc.constantFrom(...CHARACTERS) }), {
      minLength: 1,
      maxLength: 4,
    }),
    300,
  )
  const programs = words.map((command) => {
    const checks = [{ name: 'x', command, expect: { kind: 'success' } }] as const
    const call =
      inPodProgram({ checks })
        .split('\n')
        .find((line) => line.startsWith('check 1')) ?? ''
    return expandReferences(call, { a: 'replaced', b: 'replaced' })
  })
  const script = `check() { shift 2; printf '%s\\n' "$@"; printf '\\0'; }\n${programs.join('\n')}\n`
  const child = Bun.spawn(['sh', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const seen = (await child.stdout.text()).split('\n\0').slice(0, -1)
  expect(seen.map((line) => line.split('\n'))).toEqual(words)
})

test('a pod is left over when nobody can wait for it any more', () => {
  const made = verifyPod(REQUEST)
  const madeMs = Date.parse('2026-01-01T00:00:00Z')
  const pod = { ...made, metadata: { ...made.metadata, creationTimestamp: '2026-01-01T00:00:00Z' } }
  expect(isLeftOver(pod, madeMs + 180_000)).toBe(false)
  expect(isLeftOver(pod, madeMs + 180_001)).toBe(true)
  const going = { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:09Z' } }
  expect(isLeftOver(going, madeMs + 180_001)).toBe(false)
  expect(isLeftOver(made, madeMs)).toBe(false)
})

test('by hand it is the same pod, under a name', () => {
  const [, json = ''] = /--overrides '([^]*)'\nkubectl wait /.exec(byHand(REQUEST)) ?? []
  const overrides = JSON.parse(json.replaceAll(`'\\''`, "'")) as object
  const { metadata, spec } = verifyPod(REQUEST)
  const containers = spec.containers.map((one) => ({ ...one, name: 'podrole-verify-by-hand' }))
  expect(overrides).toEqual({
    apiVersion: 'v1',
    metadata: { labels: metadata.labels },
    spec: { ...spec, containers },
  })
})
