/** Pods for property tests. */
import * as fc from 'fast-check'

const names = fc.constantFrom('app', 'sidecar', 'init', 'x')
const envNames = fc.constantFrom(
  'AWS_ROLE_ARN',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
  'AWS_REGION',
  'AWS_DEFAULT_REGION',
  'AWS_STS_REGIONAL_ENDPOINTS',
  'PATH',
)
const paths = fc.constantFrom(
  '/var/run/secrets/eks.amazonaws.com/serviceaccount',
  '/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/',
  '/data',
)
const volumeNames = fc.constantFrom('aws-iam-token', 'eks-pod-identity-token', 'data')

function orAbsent<T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null | undefined> {
  return fc.oneof(
    { weight: 3, arbitrary: values },
    { weight: 1, arbitrary: fc.constantFrom(null, undefined) },
  )
}

/** Absent members are left out, as JSON does. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const containers = fc.record({
  name: names,
  image: fc.string(),
  somethingNew: fc.jsonValue(),
  env: orAbsent(fc.array(fc.record({ name: envNames, value: fc.string() }))),
  volumeMounts: orAbsent(fc.array(fc.record({ name: volumeNames, mountPath: paths }))),
})

const annotations = fc.dictionary(
  fc.constantFrom(
    'eks.amazonaws.com/skip-containers',
    'eks.amazonaws.com/token-expiration',
    'other',
  ),
  fc.oneof(fc.constantFrom('app', 'app, "sidecar"', '"', '0', '86400'), fc.string()),
)

/** Pods that an API server could send. */
export const plausiblePods: fc.Arbitrary<unknown> = fc
  .record({
    metadata: fc.record({
      name: names,
      labels: orAbsent(
        fc.dictionary(
          fc.constantFrom('eks.amazonaws.com/pod-identity', 'app'),
          fc.constantFrom('enabled', 'x'),
        ),
      ),
      annotations: orAbsent(annotations),
    }),
    spec: fc.record({
      containers: fc.array(containers, { minLength: 1, maxLength: 3 }),
      initContainers: orAbsent(fc.array(containers, { maxLength: 2 })),
      volumes: orAbsent(fc.array(fc.record({ name: volumeNames, x: fc.jsonValue() }))),
      nodeSelector: orAbsent(fc.constant({ 'kubernetes.io/os': 'windows' })),
    }),
  })
  .map(asJson)

/** Plausible pods in which one place holds something else. */
export const hostilePods: fc.Arbitrary<unknown> = fc
  .tuple(plausiblePods, fc.array(fc.nat(), { minLength: 1, maxLength: 8 }), fc.jsonValue())
  .map(([pod, turns, value]) => {
    const result: unknown = structuredClone(pod)
    let place: unknown = result
    for (const [at, turn] of turns.entries()) {
      if (typeof place !== 'object' || place === null) break
      const keys = Object.keys(place)
      const key = keys[turn % Math.max(1, keys.length)] ?? 'x'
      const child: unknown = Reflect.get(place, key)
      if (at === turns.length - 1 || typeof child !== 'object') {
        Reflect.set(place, key, value)
        break
      }
      place = child
    }
    return result
  })
