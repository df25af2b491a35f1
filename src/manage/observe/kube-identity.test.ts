import { expect, test } from 'bun:test'
import { PodroleError } from '../../lib/errors.ts'
import { identityFault, kubeIdentity } from './kube-identity.ts'

const endpoint = 'https://AB12.gr7.eu-central-1.eks.amazonaws.com'
const issuer = 'https://oidc.eks.eu-central-1.amazonaws.com/id/AB12'
const told = (server: string, text: string): { server: string; issuer: () => Promise<string> } => ({
  server,
  issuer: () => Promise.resolve(text),
})
const failing = (code: string): { server: string; issuer: () => Promise<string> } => ({
  server: 'https://127.0.0.1:6443',
  issuer: () => Promise.reject(new PodroleError(code, `${code}: no`)),
})

test("the address that EKS names is the cluster's, and it is not asked", async () => {
  const server = 'https://ab12.gr7.eu-central-1.eks.amazonaws.com:443/'
  expect(await kubeIdentity({ endpoint, issuer }, told(server, 'never asked'))).toEqual({
    kind: 'same',
  })
})

test('another address is the cluster where its issuer is', async () => {
  const tunnel = told('https://127.0.0.1:6443', `${issuer}/`)
  expect((await kubeIdentity({ endpoint, issuer }, tunnel)).kind).toBe('same')
  const other = await kubeIdentity({ endpoint, issuer }, told(tunnel.server, `${issuer}3`))
  expect(other.kind).toBe('other')
  expect(identityFault(other, 'shop')).toBe(
    `the kubeconfig leads to another cluster than shop: https://127.0.0.1:6443 has the issuer ${issuer}3, not ${issuer}`,
  )
})

test('what may not be asked is not known, and what cannot be reached is a fault', async () => {
  const unknown = await kubeIdentity({ endpoint, issuer }, failing('Forbidden'))
  expect(identityFault(unknown, 'shop')).toContain('Forbidden: no')
  expect(await kubeIdentity({ endpoint }, told('https://127.0.0.1', issuer))).toMatchObject({
    kind: 'unknown',
  })
  await expect(kubeIdentity({ endpoint, issuer }, failing('ClusterUnreachable'))).rejects.toThrow()
})

test("a broker's cluster, which has no address to compare, is known by its issuer alone", async () => {
  expect((await kubeIdentity({ issuer }, told('https://a', issuer))).kind).toBe('same')
  expect((await kubeIdentity({ issuer }, told('https://a', 'https://b'))).kind).toBe('other')
  expect((await kubeIdentity({ issuer }, failing('Forbidden'))).kind).toBe('same')
  expect((await kubeIdentity({}, failing('Forbidden'))).kind).toBe('same')
})
