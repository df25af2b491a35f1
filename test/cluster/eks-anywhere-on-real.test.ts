/**
 * docs/operating/eks-anywhere.md with kube-apiserver 1.36 in place of the sandbox's cluster. No
 * service network leads from it to the webhook's pods, so the webhook runs beside it, as the
 * service account and with the rights of its manifests.
 */
import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificateAuthority } from '../../src/lib/certificates.ts'
import {
  CLUSTER,
  expectWalked,
  ISSUER,
  REGION,
  walkPath,
  walkScript,
} from '../support/eks-anywhere-walk.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { missingLoopback, onOwnLoopback } from '../support/own-loopback.ts'
import { findPython, pythonEnvironment } from '../support/python.ts'
import { runCommand } from '../support/run-command.ts'
import { lacks } from '../support/tools.ts'

const kubernetes = await findKubernetes()
const python = await findPython()
const isSkipped = lacks(
  "EKS Anywhere's walk on a real API server",
  kubernetes.missing ??
    python.missing ??
    missingLoopback() ??
    (Bun.which('curl') === null ? { tool: 'curl', get: 'apt-get install curl' } : undefined),
)
const folder = mkdtempSync(join(tmpdir(), 'podrole-eks-anywhere-real-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const TEN_MINUTES_MS = 600_000
/** Of a loopback that nobody else has. */
const PORT = 8443

/** The webhook as the manifests' service account, with a kubeconfig that holds its token alone. */
const WEBHOOK = `
podrole webhook manifests --image podrole:0.1.0 --url https://127.0.0.1:${PORT} --ca-file webhook-ca.pem > webhook.yaml
kubectl apply -f webhook.yaml
token=$(kubectl create token podrole-webhook --namespace podrole-system)
cp "$KUBECONFIG" webhook.kubeconfig
kubectl --kubeconfig webhook.kubeconfig config set-credentials webhook --token="$token"
kubectl --kubeconfig webhook.kubeconfig config set-context --current --user=webhook
kubectl --kubeconfig webhook.kubeconfig config delete-user admin
podrole webhook --port ${PORT} --tls-cert webhook.crt --tls-key webhook.key --kubeconfig webhook.kubeconfig \\
  --aws-default-region="$AWS_REGION" > webhook.log 2>&1 &
webhook=$!
trap 'kill "$webhook"' EXIT
`
const READY = `
tries=0
until curl --silent --fail --cacert webhook-ca.pem https://127.0.0.1:${PORT}/readyz; do
  tries=$((tries + 1))
  [ "$tries" -lt 300 ] || { cat webhook.log; exit 1; }
  sleep 0.1
done
kubectl --kubeconfig webhook.kubeconfig auth whoami -o jsonpath='{.status.userInfo.username}'
`

test.skipIf(isSkipped)(
  'from the keys in the Secret to a pod that reads S3',
  async () => {
    const authority = await createCertificateAuthority({ commonName: 'webhook' })
    const { cert, key } = await authority.issue({ names: ['127.0.0.1'] })
    const script = walkScript([
      ['webhook manifests', WEBHOOK],
      ['rollout status', READY],
    ])
    for (const [name, text] of Object.entries({
      'walk.sh': script,
      'webhook-ca.pem': authority.cert,
      'webhook.crt': cert,
      'webhook.key': key,
    })) {
      writeFileSync(join(folder, name), text, { mode: 0o600 })
    }
    const program = join(import.meta.dir, '..', 'support', 'real-sandbox.ts')
    const command = [process.execPath, '--no-env-file', program, kubernetes.folder ?? '']
    const { exitCode, stdout, stderr } = await runCommand(
      onOwnLoopback([...command, `${CLUSTER}=${ISSUER}`, 'sh', 'walk.sh']),
      {
        cwd: folder,
        env: {
          ...pythonEnvironment(python.bin, folder),
          AWS_REGION: REGION,
          PATH: walkPath(kubernetes.folder ?? '', python.bin ?? ''),
        },
      },
    )
    expectWalked(folder, { exitCode, output: `${stdout}\n${stderr}` })
    expect(stdout).toContain('system:serviceaccount:podrole-system:podrole-webhook')
  },
  TEN_MINUTES_MS,
)
