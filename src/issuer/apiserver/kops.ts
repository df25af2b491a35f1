import type { ApiServerSetting } from './setting.ts'
import { refuse, type Snippet, type SnippetNames } from './snippet.ts'

const OWN_KEYS =
  'kOps makes the keys itself (kops create keypair service-account, kops promote keypair service-account): publish them with podrole issuer publish --from-api-server'

/**
 * A part of a kOps Cluster (kubernetes/kops docs, "Service Account Issuer (SAI) migration";
 * `additionalServiceAccountIssuers` since 1.28.5).
 */
export function kopsSnippet(setting: ApiServerSetting, { cluster }: SnippetNames): Snippet {
  refuse(setting, 'kOps', {
    signingEndpoint: OWN_KEYS,
    keyFiles: OWN_KEYS,
    jwksUri:
      'kOps sets it by itself, to ISSUER/openid/v1/jwks: STS reads what is published, not that',
    lifeOfTokens: 'count on a year: podrole issuer rotate init --longest-token 8760h',
  })
  const [serviceAccountIssuer, ...additionalServiceAccountIssuers] = setting.issuers
  const { apiAudiences } = setting
  return {
    documents: [
      {
        spec: {
          kubeAPIServer: {
            serviceAccountIssuer,
            ...(additionalServiceAccountIssuers.length > 0 && { additionalServiceAccountIssuers }),
            ...(apiAudiences.length > 0 && { apiAudiences }),
          },
        },
      },
    ],
    notes: [OWN_KEYS],
    commands: [
      `kops edit cluster ${cluster}`,
      `kops update cluster ${cluster} --yes`,
      `kops rolling-update cluster ${cluster} --instance-group-roles control-plane --yes`,
    ],
  }
}
