import { Sha256 } from '@aws-crypto/sha256-js'
import { HttpRequest } from '@smithy/protocol-http'
import { SignatureV4 } from '@smithy/signature-v4'

/** What `aws eks get-token` gives under AWS_ENDPOINT_URL: presigned for the sandbox's endpoint. */
export async function eksToken(
  endpoint: string,
  caller: {
    readonly region: string
    readonly cluster: string
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  },
): Promise<string> {
  const { cluster, credentials, region } = caller
  const { host, hostname, port } = new URL(endpoint)
  const signer = new SignatureV4({ service: 'sts', region, sha256: Sha256, credentials })
  const request = new HttpRequest({
    method: 'GET',
    protocol: 'http:',
    hostname,
    port: Number(port),
    path: '/',
    query: { Action: 'GetCallerIdentity', Version: '2011-06-15' },
    headers: { host, 'x-k8s-aws-id': cluster },
  })
  const { query } = await signer.presign(request, {
    expiresIn: 60,
    unhoistableHeaders: new Set(['x-k8s-aws-id']),
  })
  const text = new URLSearchParams(query as Record<string, string>).toString()
  return `k8s-aws-v1.${Buffer.from(`http://${host}/?${text}`).toString('base64url')}`
}
