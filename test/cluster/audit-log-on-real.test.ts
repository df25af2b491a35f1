import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readTokenLifetimes } from '../../src/issuer/rotation/census-audit.ts'
import { createKubeClient } from '../../src/kube/transport.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import { lacks } from '../support/tools.ts'

const kubernetes = await findKubernetes()
const isSkipped = lacks("a real API server's audit log", kubernetes.missing)

const STS = 'sts.amazonaws.com'
const ISSUER = 'https://idp.example.com'
const TOKENS = '/api/v1/namespaces/default/serviceaccounts/default/token'

const policyOf = (level: string): string =>
  JSON.stringify({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    rules: [
      { level, resources: [{ group: '', resources: ['serviceaccounts/token'] }] },
      { level: 'Metadata' },
    ],
  })

for (const level of ['Request', 'RequestResponse', 'Metadata']) {
  test.skipIf(isSkipped)(
    `the lifetimes of tokens are in a real audit log of level ${level}`,
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'podrole-audit-'))
      const [policy, log] = [join(folder, 'policy.json'), join(folder, 'audit.log')]
      writeFileSync(policy, policyOf(level))
      const cluster = await startRealCluster({
        programs: kubernetes.folder ?? '',
        name: 'audit',
        issuer: ISSUER,
        apiAudiences: [ISSUER],
        serverFlags: [`--audit-policy-file=${policy}`, `--audit-log-path=${log}`],
      })
      try {
        const client = createKubeClient({
          server: cluster.server,
          ca: cluster.certificateAuthority,
          token: () => cluster.adminToken,
        })
        const sinceMs = Date.now()
        const ask = (spec: object): Promise<unknown> =>
          client.raw('POST', TOKENS, {
            body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
          })
        await ask({ audiences: [STS] })
        await ask({ audiences: [STS], expirationSeconds: 7200 })
        await ask({ audiences: ['vault'], expirationSeconds: 90_000 })
        await ask({ expirationSeconds: 90_000 })
        await expect(ask({ audiences: [STS], expirationSeconds: 60 })).rejects.toThrow('10 minutes')
        const text = readFileSync(log, 'utf8')
        const read = () =>
          readTokenLifetimes(text.trimEnd().split('\n'), {
            sinceMs,
            audiences: [STS],
            apiAudiences: [ISSUER],
          })
        if (level === 'Metadata') {
          expect(read).toThrow('without its request')
          return
        }
        expect(read()).toMatchObject({
          count: 2,
          longestLifetimeSeconds: 7200,
          longest: { namespace: 'default', serviceAccount: 'default' },
        })
        // Why the hint asks for level Request: the other one logs tokens that can be used.
        expect(text.includes('"token":"eyJ')).toBe(level === 'RequestResponse')
        expect(JSON.stringify(read()).includes('eyJ')).toBe(false)
      } finally {
        await cluster.stop()
        rmSync(folder, { recursive: true })
      }
    },
    300_000,
  )
}
