import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Advice, advise } from './advise.ts'
import { clusterKindOf, type ClusterSigns } from './cluster-kind.ts'
import type { AdviceFacts } from './facts.ts'
import { ARGUMENT_CODES } from './rules.ts'
import { isNewEnough, parseSdk, SDK_NAMES, sdkOfUserAgent } from '../facts/sdk.ts'

const CASES = join(import.meta.dir, 'testdata', 'cases')
const CLUSTERS = join(import.meta.dir, 'testdata', 'clusters')

/** What differs from a new workload on an EKS cluster with everything in order. */
interface AdviceCase extends Partial<Omit<AdviceFacts, 'cluster' | 'sdk'>> {
  /** What it is about, for whoever reads it. */
  readonly about: string
  readonly cluster?: Partial<AdviceFacts['cluster']>
  readonly sdk?: string
  readonly expect: {
    readonly way: Advice['way'] | null
    readonly second?: Advice['second']
    readonly change: Advice['change']
    readonly why?: string
    /** `WAY SIDE CODE` each. */
    readonly has: readonly string[]
    readonly hasNot?: readonly string[]
  }
}

const read = (folder: string, file: string): unknown =>
  JSON.parse(readFileSync(join(folder, file), 'utf8'))

function factsOf({
  about: _about,
  cluster,
  expect: _expect,
  sdk,
  ...facts
}: AdviceCase): AdviceFacts {
  return {
    serviceAccount: { namespace: 'shop', name: 'orders' },
    compute: ['linux'],
    needs: [],
    current: [],
    providers: { used: 3, limit: 100 },
    cluster: {
      name: 'prod',
      kind: 'eks',
      evidence: 'label eks.amazonaws.com/nodegroup=main of node n1',
      version: '1.33',
      hasAgent: true,
      hasProvider: true,
      ...cluster,
    },
    ...facts,
    ...(sdk !== undefined && { sdk: parseSdk(sdk) }),
  }
}

describe('a workload', () => {
  const files = readdirSync(CASES)
  const advices = new Map(
    files.map((file) => [file, advise(factsOf(read(CASES, file) as AdviceCase))]),
  )
  const spoken = (advice: Advice | undefined): readonly string[] =>
    (advice?.arguments ?? []).map(({ code, side, way }) => `${way} ${side} ${code}`)

  for (const file of files) {
    test(file, () => {
      const { expect: wanted } = read(CASES, file) as AdviceCase
      const advice = advices.get(file)
      expect(advice?.way ?? null).toBe(wanted.way ?? null)
      expect(advice?.second).toBe(wanted.second)
      expect(advice?.change).toBe(wanted.change)
      expect(advice?.why).toContain(wanted.why ?? '')
      expect(spoken(advice)).toEqual(expect.arrayContaining([...wanted.has]))
      for (const code of wanted.hasNot ?? []) expect(spoken(advice)).not.toContain(code)
      for (const { evidence, text } of advice?.arguments ?? []) {
        expect(evidence).not.toMatch(/^$|undefined/)
        expect(text).not.toMatch(/^$|undefined|\.$/)
      }
    })
  }

  test('there are cases for every argument, and each row of the comparison', () => {
    expect(files.length).toBeGreaterThanOrEqual(30)
    expect(files.filter((file) => file.startsWith('003-')).length).toBeGreaterThanOrEqual(15)
    const codes = new Set(
      [...advices.values()].flatMap((one) => one.arguments.map(({ code }) => code)),
    )
    expect([...codes].toSorted()).toEqual([...ARGUMENT_CODES].toSorted())
  })

  test('a way that is ruled out is never advised', () => {
    for (const { arguments: found, way } of advices.values()) {
      expect(found.some((one) => one.side === 'blocker' && one.way === way)).toBe(false)
    }
  })
})

describe('the kind of a cluster', () => {
  for (const file of readdirSync(CLUSTERS)) {
    test(file, () => {
      const { expect: wanted, ...signs } = read(CLUSTERS, file) as ClusterSigns & {
        readonly expect: string
      }
      const { evidence, kind } = clusterKindOf(signs)
      expect(kind).toBe(wanted as typeof kind)
      expect(evidence).not.toBe('')
    })
  }
})

describe('an SDK', () => {
  test.each([
    ['boto3@1.34.41', true],
    ['boto3@1.34.40', false],
    ['boto3@1.100', true],
    ['go-v2@2023-11-13', false],
    ['go-v2@2024-01-01', true],
    ['js-v3@3.458', true],
    ['java-v2@v2.30.1', true],
  ])('%s', (text, isNew) => expect(isNewEnough(parseSdk(text), 'pod-identity')).toBe(isNew))

  test.each([
    ['boto3@1.9.219', false],
    ['boto3@1.9.220', true],
    ['go-v1@1.23', false],
    ['dotnet@3.3.659.1', true],
    // Each version knows it, and AWS names none.
    ['go-v2@2020-01-01', true],
    ['kotlin@0.1', true],
  ])('%s for IRSA', (text, isNew) => expect(isNewEnough(parseSdk(text), 'irsa')).toBe(isNew))

  test('of releases by date is not named by the version of a module, which would look old', () => {
    for (const text of ['go-v2@1.48.0', 'rust@1.8']) {
      expect(() => parseSdk(text)).toThrow(/AWS counts its releases by date: wanted .*@20/)
    }
  })

  test.each([
    ['Boto3/1.26.30 Python/3.10 Linux/5.10 Botocore/1.29.30', 'boto3@1.26.30'],
    ['aws-cli/2.13.0 Python/3.11 exec-env/AWS_ECS', 'aws-cli-v2@2.13.0'],
    ['aws-sdk-go/1.44.7 (go1.19; linux; amd64)', 'go-v1@1.44.7'],
    ['[aws-sdk-js/3.400.0 ua/2.0 os/linux]', 'js-v3@3.400.0'],
    ['curl/8.5.0', undefined],
  ])('of the user agent %s', (text, wanted) => {
    const sdk = sdkOfUserAgent(text)
    expect(sdk && `${sdk.name}@${sdk.version}`).toBe(wanted)
  })

  test('one that nobody knows is refused, with those that are known', () => {
    expect(() => parseSdk('perl@1.0')).toThrow(SDK_NAMES.join(', '))
    expect(() => parseSdk('toString@1.0')).toThrow('wanted NAME@VERSION')
    expect(() => parseSdk('boto3')).toThrow('wanted NAME@VERSION')
  })
})
