/** The pod of a verify: as narrow as a pod can be that still runs the AWS CLI. */
import type { ServiceAccountName } from '../../iam/service-account-name.ts'
import type { Pod } from '../../kube/objects.ts'
import type { Check } from './checks-file.ts'
import inPodScript from './in-pod.sh' with { type: 'text' }

/** The AWS CLI's image with the version that the script was written for. */
export const DEFAULT_IMAGE = 'amazon/aws-cli:2.34.24'

/** On every pod of a verify. */
export const VERIFY_LABEL = 'podrole.dev/verify'
/** Which run of the command a pod is of. */
export const RUN_LABEL = 'podrole.dev/verify-run'
export const CONTAINER = 'verify'
/** No user of any image; some clusters choose one by themselves. */
export const DEFAULT_USER = 65_532

const SCRATCH = '/scratch'
/** What the kubelet grants beyond the time that is waited, so that a verdict has been read. */
const SLACK_SECONDS = 30

export interface PodRequest {
  readonly serviceAccount: ServiceAccountName
  readonly image: string
  readonly checks: readonly Check[]
  /** How long whoever asks waits. */
  readonly timeoutMs: number
  readonly runId: string
  /** Undefined leaves it to the cluster, as OpenShift wants. */
  readonly user: number | undefined
  /** For the AWS CLI, where the pod is given none. */
  readonly region?: string
}

/**
 * Fits the `restricted` Pod Security Standard (https://kubernetes.io/docs/concepts/security/pod-security-standards/).
 * It has no token but those that a webhook adds.
 */
export function verifyPod(request: PodRequest): Pod {
  const { image, runId, serviceAccount, timeoutMs, user } = request
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'podrole-verify-',
      namespace: serviceAccount.namespace,
      labels: {
        'app.kubernetes.io/managed-by': 'podrole',
        [VERIFY_LABEL]: 'true',
        [RUN_LABEL]: runId,
      },
    },
    spec: {
      serviceAccountName: serviceAccount.name,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      restartPolicy: 'Never',
      activeDeadlineSeconds: Math.ceil(timeoutMs / 1000) + SLACK_SECONDS,
      terminationGracePeriodSeconds: 1,
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      securityContext: {
        runAsNonRoot: true,
        ...(user !== undefined && { runAsUser: user, runAsGroup: user, fsGroup: user }),
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: CONTAINER,
          image,
          command: ['sh', '-c', inPodProgram(request)],
          env: [
            // The AWS CLI keeps sessions of web identities under it: in memory, gone with the pod.
            { name: 'HOME', value: SCRATCH },
            { name: 'TMPDIR', value: SCRATCH },
            { name: 'AWS_PAGER', value: '' },
            { name: 'AWS_MAX_ATTEMPTS', value: '2' },
          ],
          volumeMounts: [{ name: 'scratch', mountPath: SCRATCH }],
          resources: {
            requests: { cpu: '50m', memory: '128Mi' },
            limits: { cpu: '1', memory: '384Mi' },
          },
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
            readOnlyRootFilesystem: true,
          },
        },
      ],
      volumes: [{ name: 'scratch', emptyDir: { medium: 'Memory', sizeLimit: '32Mi' } }],
    },
  }
}

/** The script with a call for each check behind it. */
export function inPodProgram({ checks, region }: Pick<PodRequest, 'checks' | 'region'>): string {
  const script = inPodScript
    .split('\n')
    .filter((line) => !line.startsWith('#') && line !== '')
    .join('\n')
  const calls = checks.map(({ command, expect }, at) => {
    const text = expect.kind === 'output' ? expect.text : ''
    return `check ${at + 1} ${[text, ...command].map(podWord).join(' ')}`
  })
  const regions =
    region === undefined
      ? []
      : [`export AWS_DEFAULT_REGION="\${AWS_REGION:-\${AWS_DEFAULT_REGION:-${region}}}"`]
  return [...regions, script, ...calls, 'say end', ''].join('\n')
}

/** A word of a shell. */
export const shellWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** Kubernetes replaces `$(NAME)` in commands, and `$$` by `$`. */
const podWord = (text: string): string => shellWord(text).replaceAll('$', () => '$$')

/** Whether a pod is one that a verify left which was killed: nobody waits for it any more. */
export function isLeftOver({ metadata, spec }: Pod, nowMs: number): boolean {
  const madeMs = Date.parse(metadata.creationTimestamp ?? '')
  const seconds = (spec.activeDeadlineSeconds ?? 0) + SLACK_SECONDS
  return metadata.deletionTimestamp === undefined && madeMs + seconds * 1000 < nowMs
}
