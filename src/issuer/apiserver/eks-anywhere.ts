import type { ApiServerSetting } from './setting.ts'
import { refuse, type Snippet, type SnippetNames } from './snippet.ts'

/** A part of an EKS Anywhere Cluster (EKS Anywhere documentation, "IAM for Pods configuration"). */
export function eksAnywhereSnippet(setting: ApiServerSetting, { cluster }: SnippetNames): Snippet {
  refuse(setting, 'EKS Anywhere', {
    oldIssuers: 'its Cluster has one issuer: choose it when the cluster is made',
    signingEndpoint: 'it makes the keys with the cluster',
    keyFiles: `it makes the keys with the cluster: publish them with podrole issuer publish --secret eksa-system/${cluster}-sa`,
    apiAudiences: 'its Cluster has the issuer alone',
    lifeOfTokens: 'its Cluster has the issuer alone',
    jwksUri: 'its Cluster has the issuer alone; STS reads what is published',
  })
  return {
    documents: [
      {
        apiVersion: 'anywhere.eks.amazonaws.com/v1alpha1',
        kind: 'Cluster',
        metadata: { name: cluster },
        spec: { podIamConfig: { serviceAccountIssuer: setting.issuers[0] } },
      },
    ],
    notes: [
      `the keys come with the cluster: publish them then with podrole issuer publish --secret eksa-system/${cluster}-sa`,
    ],
    commands: [`eksctl anywhere create cluster -f ${cluster}.yaml`],
  }
}
