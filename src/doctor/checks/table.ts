/** Every check of `podrole doctor`. The ids are stable, and there are no others. */

export type Severity = 'error' | 'warning'

export interface CheckRow {
  readonly group: 'pods' | 'node roles' | 'trust' | 'orphans' | 'issuer' | 'running parts'
  readonly severity: Severity
  /** When there is a finding, one sentence without its full stop. */
  readonly says: string
  readonly matters: string
  readonly mend: string
}

const rows = <const T extends Readonly<Record<string, CheckRow>>>(table: T): T => table

export const CHECKS = rows({
  'node-role-fallback': {
    group: 'pods',
    severity: 'error',
    says: 'pods of a service account that has a role run without any credentials of it',
    matters: 'their SDKs go on to the role of the node, and do more or less than was meant',
    mend: 'see that webhook and agent run, and make the pods again',
  },
  'two-ways': {
    group: 'pods',
    severity: 'warning',
    says: 'a service account has a role by annotation and by association',
    matters:
      'the webhook gives pods the association, older ones keep the annotation, and whoever changes one role does not change the other',
    mend: 'take one away once its pods are made again: the annotation, or the association',
  },
  'two-ways-pod': {
    group: 'pods',
    severity: 'warning',
    says: 'a container has web identity and container credentials at once',
    matters: 'SDKs take the web identity, so that the association does nothing',
    mend: 'make the pod again; a variable that is in its template is to be taken out of there',
  },
  'imds-open': {
    group: 'node roles',
    severity: 'error',
    says: 'instances answer pods for the credentials of the node role',
    matters: 'every pod of the node has what the node role allows, whatever its own role is',
    mend: 'aws ec2 modify-instance-metadata-options --http-tokens required --http-put-response-hop-limit 1, and the same in the launch template',
  },
  'node-role-beyond': {
    group: 'node roles',
    severity: 'warning',
    says: "a node role allows more than AWS's documented managed policies for nodes",
    matters: 'kubelet uses this role, and every pod that reaches it has the same',
    mend: 'give the workload that needs it a role of its own (podrole role create), and take the policy off the node role',
  },
  'cluster-role-beyond': {
    group: 'node roles',
    severity: 'warning',
    says: "a cluster role allows more than AWS's documented managed policies for clusters",
    matters: 'the control plane acts with it in the account',
    mend: 'take the policy off the cluster role',
  },
  'fargate-role-beyond': {
    group: 'node roles',
    severity: 'warning',
    says: "a Fargate pod execution role allows more than AWS's documented managed policy",
    matters: 'it is to register the node and to pull images; pods get their roles by IRSA',
    mend: 'take the policy off the pod execution role',
  },
  'compute-role-unbounded': {
    group: 'node roles',
    severity: 'error',
    says: 'a role of nodes, cluster or Fargate may do everything, or everything with IAM',
    matters: 'one pod that reaches it owns the account',
    mend: 'take the policy off the role now',
  },
  'trust-no-subject': {
    group: 'trust',
    severity: 'error',
    says: 'a statement for tokens of an issuer asks for no subject',
    matters: 'every service account of every cluster with this issuer may take the role',
    mend: 'podrole role trust add with the service accounts that are meant',
  },
  'trust-no-audience': {
    group: 'trust',
    severity: 'warning',
    says: 'a statement for tokens of an issuer asks for no audience',
    matters: 'tokens that were made for something else open the role',
    mend: 'ask for sts.amazonaws.com under ISSUER:aud',
  },
  'trust-subject-open': {
    group: 'trust',
    severity: 'error',
    says: 'a pattern of subjects admits any namespace',
    matters: 'whoever may create a pod anywhere in the cluster may take the role',
    mend: 'name the namespace',
  },
  'trust-aws-anyone': {
    group: 'trust',
    severity: 'error',
    says: 'AWS "*" may take a role, without a condition on who calls',
    matters: 'any user or role of any AWS account may take it',
    mend: 'name accounts or roles as principals',
  },
  'trust-pod-identity-open': {
    group: 'trust',
    severity: 'warning',
    says: 'no condition of a Pod Identity statement names the cluster',
    matters: 'every EKS cluster that may associate the role may give it to its pods',
    mend: 'ask for aws:RequestTag/eks-cluster-arn, kubernetes-namespace and kubernetes-service-account',
  },
  'trust-wildcard-in-equals': {
    group: 'trust',
    severity: 'error',
    says: 'StringEquals compares with a value that holds "*" or "?"',
    matters: 'nobody is let in: they are no wildcards there',
    mend: 'use StringLike, or the name that is meant',
  },
  'trust-key-never-matches': {
    group: 'trust',
    severity: 'error',
    says: 'a condition key is of another issuer than the statement',
    matters: 'the condition never holds, or says nothing',
    mend: "begin the key with the issuer exactly as the provider's ARN ends",
  },
  'trust-audience-holds-subject': {
    group: 'trust',
    severity: 'error',
    says: 'the condition on the audience asks for a subject',
    matters: 'no token has it as its audience',
    mend: 'ask for it under ISSUER:sub',
  },
  'trust-foreign-provider': {
    group: 'trust',
    severity: 'error',
    says: 'a statement names a provider of another account or partition',
    matters: 'such a provider lets nobody in',
    mend: "make the provider in the role's own account",
  },
  'trust-no-tag-session': {
    group: 'trust',
    severity: 'error',
    says: 'session tags are passed, and sts:TagSession is not allowed',
    matters: 'the call fails',
    mend: 'add sts:TagSession to the Action of the statement',
  },
  'trust-stale-provider': {
    group: 'trust',
    severity: 'warning',
    says: 'a trust policy names a provider that the account does not have',
    matters:
      'it lets nobody in, and takes room; whoever makes a provider of that issuer again is let in',
    mend: 'podrole role trust remove, or make the provider (podrole issuer provider create)',
  },
  'trust-stale-cluster': {
    group: 'trust',
    severity: 'warning',
    says: 'a trust policy asks for a cluster of the region that is not there',
    matters: 'whoever makes a cluster of that name again is let in',
    mend: 'take the cluster out of the condition',
  },
  'orphan-provider': {
    group: 'orphans',
    severity: 'warning',
    says: 'no cluster has the issuer of a provider, and it is not published any more',
    matters:
      'it counts against the quota, and whoever gets hold of its name may sign tokens that roles trust',
    mend: 'aws iam delete-open-id-connect-provider, after the roles that name it',
  },
  'orphan-association': {
    group: 'orphans',
    severity: 'warning',
    says: 'an association is of a service account that is not there',
    matters: 'whoever may create the service account gets the role',
    mend: 'podrole association delete, or make the service account',
  },
  'annotated-role-missing': {
    group: 'orphans',
    severity: 'error',
    says: 'a service account is annotated with a role that the account does not have',
    matters: 'its pods get no credentials',
    mend: 'make the role (podrole role create), or correct the annotation',
  },
  'issuer-unusable': {
    group: 'issuer',
    severity: 'error',
    says: "STS cannot use a cluster's issuer as it is from outside",
    matters: 'no pod of the cluster gets credentials by IRSA',
    mend: 'podrole issuer check tells all that is wrong with it',
  },
  'jwks-lacks-key': {
    group: 'issuer',
    severity: 'error',
    says: 'the published JWKS lacks a key that the API server has',
    matters: 'tokens of that key are refused by STS',
    mend: 'podrole issuer publish',
  },
  'signing-key-old': {
    group: 'issuer',
    severity: 'warning',
    says: "a fleet issuer's signing key has been active for more than 90 days",
    matters: 'the longer a key signs, the more it is worth to who copies it',
    mend: 'podrole broker rotate prepare',
  },
  'rotation-unfinished': {
    group: 'issuer',
    severity: 'warning',
    says: 'a signing key has been prepared or retiring for more than 14 days',
    matters: 'a rotation that is left half done leaves a key published that nobody watches',
    mend: 'podrole broker rotate status says what is next',
  },
  'certificate-near-expiry': {
    group: 'running parts',
    severity: 'warning',
    says: 'a certificate of a webhook ends in less than 30 days',
    matters: 'after that the API server cannot call it, and pods start without their role',
    mend: 'renew the certificate, and the caBundle with it (podrole webhook manifests)',
  },
  'certificate-expired': {
    group: 'running parts',
    severity: 'error',
    says: 'a certificate of a webhook has ended',
    matters: 'the API server cannot call it, and pods start without their role',
    mend: 'renew the certificate, and the caBundle with it (podrole webhook manifests)',
  },
  'webhook-missing': {
    group: 'running parts',
    severity: 'error',
    says: 'service accounts have roles, and no webhook gives pods their tokens',
    matters: 'new pods start without their role',
    mend: 'podrole webhook manifests, or podrole addon enable awsWorkloadIdentity',
  },
  'webhook-down': {
    group: 'running parts',
    severity: 'error',
    says: 'no ready pod is behind the service of a webhook',
    matters: 'new pods start without their role',
    mend: "see the webhook's Deployment and the logs of its pods",
  },
  'webhook-old': {
    group: 'running parts',
    severity: 'warning',
    says: "podrole's webhook is older than this podrole",
    matters: 'what this podrole plans by may not be what the webhook does',
    mend: 'podrole webhook manifests with the image of this version',
  },
  'agent-missing': {
    group: 'running parts',
    severity: 'error',
    says: 'a cluster has associations, and nodes without an agent',
    matters: 'pods there get no credentials by Pod Identity',
    mend: 'podrole addon enable eks-pod-identity-agent; see that its DaemonSet tolerates the nodes',
  },
  'agent-down': {
    group: 'running parts',
    severity: 'error',
    says: 'an agent is not ready',
    matters: 'pods of its node get no credentials by Pod Identity',
    mend: 'the log of the agent says what it lacks',
  },
  'agent-old': {
    group: 'running parts',
    severity: 'warning',
    says: 'the agent is older than what there is',
    matters: 'what was mended since is not mended here',
    mend: 'podrole addon update eks-pod-identity-agent; podrole agent manifests for its own',
  },
})

export type CheckId = keyof typeof CHECKS
