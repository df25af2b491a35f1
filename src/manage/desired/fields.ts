/** The fields of others' documents that podrole leaves alone, by name. */

/** Of eksctl's ClusterConfig, which Rafay's follows (eksctl.io/v1alpha5). */
export const CLUSTER_CONFIG_FIELDS = [
  'upgradePolicy',
  'kubernetesNetworkConfig',
  'autoModeConfig',
  'remoteNetworkConfig',
  'iamIdentityMappings',
  'identityProviders',
  'vpc',
  'privateCluster',
  'nodeGroups',
  'managedNodeGroups',
  'fargateProfiles',
  'availabilityZones',
  'localZones',
  'cloudWatch',
  'secretsEncryption',
  'gitops',
  'git',
  'karpenter',
  'outpost',
  'controlPlaneScalingConfig',
  'deletionProtection',
  'zonalShiftConfig',
  'capabilities',
  'status',
] as const

export const CLUSTER_METADATA_FIELDS = ['version', 'forceUpdateVersion', 'annotations'] as const

export const IAM_FIELDS = [
  'serviceRoleARN',
  'serviceRolePermissionsBoundary',
  'fargatePodExecutionRoleARN',
  'fargatePodExecutionRolePermissionsBoundary',
  'autoCreatePodIdentityAssociations',
  'vpcResourceControllerPolicy',
] as const

export const ADDON_FIELDS = ['publishers', 'types', 'owners'] as const

/** Of Control Plane's mk8s, and what `cpln mk8s get -o yaml` writes beside them. */
export const MK8S_FIELDS = [
  'description',
  'tags',
  'id',
  'version',
  'created',
  'lastModified',
  'links',
  'alias',
  'org',
  'status',
] as const
export const MK8S_SPEC_FIELDS = ['version', 'firewall', 'provider'] as const
export const MK8S_ADDON_FIELDS = [
  'dashboard',
  'headlamp',
  'azureWorkloadIdentity',
  'localPathStorage',
  'metrics',
  'logs',
  'registryMirror',
  'nvidia',
  'awsEFS',
  'awsECR',
  'awsELB',
  'azureACR',
  'byok',
  'sysbox',
] as const
