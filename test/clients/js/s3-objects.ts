import {
  GetObjectCommand,
  type _Object as ListedObject,
  paginateListObjectsV2,
  PutObjectCommand,
  type PutObjectCommandOutput,
  type S3,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { did, equal, listed, mapped, refused } from './checks.ts'

const PLUS = 'a key/ä+1'

/** The checksum that the SDK sends of itself. */
function crc32Of(text: string): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(text))
  return bytes.toString('base64')
}

/** An object's content; the SDK compares it with the object's checksum. */
export const readText = async (
  s3: S3,
  at: { readonly Bucket: string; readonly Key: string },
): Promise<string | undefined> => (await s3.getObject(at)).Body?.transformToString()

export async function objectSteps(s3: S3, Bucket: string): Promise<void> {
  const put = (Key: string, Body: string): Promise<PutObjectCommandOutput> =>
    s3.putObject({ Bucket, Key, Body, Metadata: { team: 'a' } })
  const made = await put(PLUS, 'first')
  equal('the checksum that was kept', made.ChecksumCRC32, crc32Of('first'))
  await put('b', 'second')
  await otherChecksums(s3, Bucket)
  did('s3', 'object', 'create')
  equal('an object', await readText(s3, { Bucket, Key: PLUS }), 'first')
  const head = await s3.headObject({ Bucket, Key: PLUS, ChecksumMode: 'ENABLED' })
  equal('its length', head.ContentLength, 5)
  equal('its metadata', { ...head.Metadata }, { team: 'a' })
  equal('its checksum', head.ChecksumCRC32, crc32Of('first'))
  did('s3', 'object', 'read')
  const keysOf = (found: readonly ListedObject[] | undefined): string[] =>
    mapped(found, (one) => one.Key)
  const all = [PLUS, 'b', 'c']
  equal('objects', keysOf((await s3.listObjectsV2({ Bucket })).Contents), all)
  did('s3', 'object', 'list')
  const pages = paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket })
  equal('objects by pages', keysOf(await listed(pages, (page) => page.Contents)), all)
  did('s3', 'object', 'pages')
  const again = await put('b', 'another')
  equal('another content', await readText(s3, { Bucket, Key: 'b' }), 'another')
  equal('another tag', again.ETag === made.ETag, false)
  did('s3', 'object', 'update')
  await s3.copyObject({ Bucket, Key: 'copy', CopySource: `${Bucket}/b` })
  equal('a copy', await readText(s3, { Bucket, Key: 'copy' }), 'another')
  did('s3', 'object-copy', 'create')
  await deletions(s3, Bucket)
}

/** CRC64NVME for CRC32; and a stream, whose checksum follows it as a trailer. */
async function otherChecksums(s3: S3, Bucket: string): Promise<void> {
  const Body = Readable.from([Buffer.from('thi'), Buffer.from('rd')])
  const at = { Bucket, Key: 'c' }
  await s3.putObject({ ...at, Body: 'other', ChecksumAlgorithm: 'CRC64NVME' })
  equal('what has a longer checksum', await readText(s3, at), 'other')
  const made = await s3.putObject({ ...at, Body, ContentLength: 5 })
  equal('the checksum of the trailer', made.ChecksumCRC32, crc32Of('third'))
  equal('what was streamed', await readText(s3, at), 'third')
}

async function deletions(s3: S3, Bucket: string): Promise<void> {
  await s3.deleteObject({ Bucket, Key: 'b' })
  await refused('NoSuchKey', s3.getObject({ Bucket, Key: 'b' }))
  did('s3', 'object', 'delete')
  const keys = [PLUS, 'c', 'copy']
  const { Deleted } = await s3.deleteObjects({
    Bucket,
    Delete: { Objects: keys.map((Key) => ({ Key })) },
  })
  equal(
    'what was deleted',
    mapped(Deleted, (one) => one.Key),
    keys,
  )
  equal('what is left', (await s3.listObjectsV2({ Bucket })).KeyCount, 0)
  did('s3', 'objects', 'delete')
}

/** Asks for a signed URL as a program without any SDK does. */
async function plainHttp(method: string, url: string, body?: string): Promise<string> {
  const response = await fetch(url, {
    method,
    ...(body !== undefined && { body }),
    proxy: false,
    signal: AbortSignal.timeout(10_000),
  })
  const answer = await response.text()
  equal(answer, response.status, 200)
  return answer
}

export async function presignedSteps(s3: S3, Bucket: string): Promise<void> {
  const at = { Bucket, Key: 'shared' }
  const upload = await getSignedUrl(s3, new PutObjectCommand(at), { expiresIn: 60 })
  await plainHttp('PUT', upload, 'for all')
  equal('what was uploaded', await readText(s3, at), 'for all')
  did('s3', 'presigned-url', 'create')
  const download = await getSignedUrl(s3, new GetObjectCommand(at), { expiresIn: 60 })
  equal('what a link gives', await plainHttp('GET', download), 'for all')
  did('s3', 'presigned-url', 'read')
  await s3.deleteObject(at)
}
