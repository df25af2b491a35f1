import { S3, type S3ClientConfig } from '@aws-sdk/client-s3'

/** S3 with bucket names in paths: on loopback they are no hosts. Other clients need no settings. */
export const createS3 = (config: S3ClientConfig = {}): S3 =>
  new S3({ ...config, forcePathStyle: true })
