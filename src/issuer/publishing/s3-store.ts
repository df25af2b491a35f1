import type * as Sdk from '@aws-sdk/client-s3'
import { boundedText } from '../../lib/bounded-text.ts'
import { documentChanged, documentTooLarge } from './faults.ts'
import { readS3Refusal, s3Fault } from './s3-faults.ts'
import { keyOf, placeName, type S3Place } from './s3-place.ts'
import { type DocumentStore, MAX_DOCUMENT_BYTES } from './store.ts'

/** The AWS SDK's S3, loaded, with a client for one region. */
export interface S3 {
  readonly sdk: typeof Sdk
  readonly client: Sdk.S3Client
}

/**
 * An S3 bucket; each write is conditional on what was read (If-Match, If-None-Match), so that two
 * that publish at once lose nothing.
 */
export function createS3Store(
  { sdk, client }: S3,
  place: S3Place,
  options: { readonly publicReadAcl?: boolean } = {},
): DocumentStore {
  const { bucket: Bucket } = place
  return {
    place: placeName(place),
    read: async (path) => {
      const Key = keyOf(place, path)
      try {
        const found = await client.send(new sdk.GetObjectCommand({ Bucket, Key }))
        const body = found.Body as AsyncIterable<Uint8Array> | undefined
        const text = await boundedText(body ?? null, MAX_DOCUMENT_BYTES)
        if (text === undefined) throw documentTooLarge(`s3://${Bucket}/${Key}`)
        return {
          text,
          contentType: found.ContentType ?? '',
          cacheControl: found.CacheControl ?? '',
          version: found.ETag ?? '',
        }
      } catch (error) {
        if (readS3Refusal(error).code === 'NoSuchKey') return undefined
        throw s3Fault(error, 'GetObject', place)
      }
    },
    write: async (path, document, replaces) => {
      const Key = keyOf(place, path)
      try {
        const { ETag = '' } = await client.send(
          new sdk.PutObjectCommand({
            Bucket,
            Key,
            Body: document.text,
            ContentType: document.contentType,
            CacheControl: document.cacheControl,
            ...(replaces === undefined ? { IfNoneMatch: '*' } : { IfMatch: replaces }),
            ...(options.publicReadAcl && { ACL: 'public-read' }),
          }),
        )
        return ETag
      } catch (error) {
        const { code } = readS3Refusal(error)
        const isChanged =
          code === 'PreconditionFailed' ||
          code === 'ConditionalRequestConflict' ||
          // If-Match where the object was taken away.
          code === 'NoSuchKey'
        throw isChanged
          ? documentChanged(`s3://${Bucket}/${Key}`)
          : s3Fault(error, 'PutObject', place)
      }
    },
  }
}
