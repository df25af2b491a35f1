/** The Kubernetes API of the first cluster in KUBECONFIG. */
import { readFileSync } from 'node:fs'
import { equal } from './checks.ts'

/** The part of the file that is needed here; the sandbox writes it as JSON. */
interface KubeConfig {
  readonly clusters: readonly [
    {
      readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string }
    },
  ]
  readonly users: readonly [{ readonly user: { readonly token: string } }]
}

const ACCOUNTS = '/api/v1/namespaces/default/serviceaccounts'

/** Makes a service account in the namespace `default` and asks for its token. */
export async function serviceAccountToken(name: string, audience: string): Promise<string> {
  await create(ACCOUNTS, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } })
  const answer = (await create(`${ACCOUNTS}/${name}/token`, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: [audience], expirationSeconds: 3600 },
  })) as { readonly status: { readonly token: string } }
  return answer.status.token
}

async function create(path: string, object: object): Promise<unknown> {
  const file = readFileSync(process.env['KUBECONFIG'] ?? '', 'utf8')
  const { clusters, users } = JSON.parse(file) as KubeConfig
  const { server, 'certificate-authority-data': authority } = clusters[0].cluster
  const response = await fetch(server + path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${users[0].user.token}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(object),
    tls: { ca: Buffer.from(authority, 'base64').toString() },
    proxy: false,
    signal: AbortSignal.timeout(10_000),
  })
  const answer = await response.text()
  equal(answer, response.status, 201)
  return JSON.parse(answer)
}
