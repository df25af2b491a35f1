import type { Tags } from '../records.ts'

/** How an instance's metadata service is set. Source: EC2 API, InstanceMetadataOptionsResponse. */
export interface MetadataOptions {
  readonly httpTokens: 'optional' | 'required'
  readonly httpPutResponseHopLimit: number
  readonly httpEndpoint: 'disabled' | 'enabled'
  readonly httpProtocolIpv6: 'disabled' | 'enabled'
  readonly instanceMetadataTags: 'disabled' | 'enabled'
}

/** An EC2 instance: a node of the sandbox's, or one that was put there. */
export interface InstanceRecord {
  readonly accountId: string
  readonly region: string
  /** `i-` and 17 hexadecimal digits. */
  readonly instanceId: string
  readonly instanceType: string
  readonly privateIpAddress: string
  readonly privateDnsName: string
  readonly state: 'pending' | 'running' | 'shutting-down' | 'terminated' | 'stopping' | 'stopped'
  readonly instanceProfileArn?: string
  readonly metadataOptions: MetadataOptions
  readonly tags: Tags
  /** Whose node it is. */
  readonly clusterName: string
  readonly nodeName: string
  readonly launchedAtMs: number
  readonly terminatedAtMs?: number
}
