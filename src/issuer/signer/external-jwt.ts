/**
 * Kubernetes' ExternalJWTSigner (KEP-740) on the wire: its messages and methods, which `v1`
 * (Kubernetes 1.34 and later) and `v1alpha1` (1.32 and 1.33) have in common. Source:
 * k8s.io/externaljwt apis/v1/api.proto and apis/v1alpha1/api.proto.
 */
import type { ServiceDefinition } from '@grpc/grpc-js'
import { fromJSON } from '@grpc/proto-loader'

export interface SignRequest {
  /** The JWT's second segment, as it stands there. */
  readonly claims: string
}

export interface SignResponse {
  /** The first segment: base64url of `alg`, `kid` and `typ` alone. */
  readonly header: string
  /** The last segment. */
  readonly signature: string
}

export interface ExternalKey {
  /** The kid, 1 to 1,024 characters. */
  readonly keyId: string
  /** DER of the SubjectPublicKeyInfo (PKIX). */
  readonly key: Uint8Array
  /** Verifies tokens, and is no key that verifiers outside the cluster are told of. */
  readonly excludeFromOidcDiscovery: boolean
}

export interface FetchKeysResponse {
  readonly keys: readonly ExternalKey[]
  /** When the keys were read where they are kept. */
  readonly dataTimestamp: { readonly seconds: number; readonly nanos: number }
  /** Seconds after which the API server asks again; above 0. */
  readonly refreshHintSeconds: number
}

export interface MetadataResponse {
  /** Seconds; 600 at least. */
  readonly maxTokenExpirationSeconds: number
}

/** The versions that podrole speaks, by their protobuf packages. */
export const SIGNER_VERSIONS = ['v1', 'v1alpha1'] as const
export type SignerVersion = (typeof SIGNER_VERSIONS)[number]

const method = (requestType: string, responseType: string): object => ({
  requestType,
  responseType,
})

/** protobufjs' JSON form of api.proto; the numbers are the wire. */
const SERVICE = {
  ExternalJWTSigner: {
    methods: {
      Sign: method('SignJWTRequest', 'SignJWTResponse'),
      FetchKeys: method('FetchKeysRequest', 'FetchKeysResponse'),
      Metadata: method('MetadataRequest', 'MetadataResponse'),
    },
  },
  SignJWTRequest: { fields: { claims: { type: 'string', id: 1 } } },
  SignJWTResponse: {
    fields: { header: { type: 'string', id: 1 }, signature: { type: 'string', id: 2 } },
  },
  FetchKeysRequest: { fields: {} },
  FetchKeysResponse: {
    fields: {
      keys: { rule: 'repeated', type: 'Key', id: 1 },
      dataTimestamp: { type: 'google.protobuf.Timestamp', id: 2 },
      refreshHintSeconds: { type: 'int64', id: 3 },
    },
  },
  Key: {
    fields: {
      keyId: { type: 'string', id: 1 },
      key: { type: 'bytes', id: 2 },
      excludeFromOidcDiscovery: { type: 'bool', id: 3 },
    },
  },
  MetadataRequest: { fields: {} },
  MetadataResponse: { fields: { maxTokenExpirationSeconds: { type: 'int64', id: 1 } } },
}
const TIMESTAMP = { fields: { seconds: { type: 'int64', id: 1 }, nanos: { type: 'int32', id: 2 } } }

const DEFINITIONS = fromJSON(
  {
    nested: {
      google: { nested: { protobuf: { nested: { Timestamp: TIMESTAMP } } } },
      ...Object.fromEntries(SIGNER_VERSIONS.map((version) => [version, { nested: SERVICE }])),
    },
  },
  { longs: Number, defaults: true },
)

/** What grpc-js serves and calls a version by. */
export const definitionOf = (version: SignerVersion): ServiceDefinition =>
  DEFINITIONS[`${version}.ExternalJWTSigner`] as ServiceDefinition
