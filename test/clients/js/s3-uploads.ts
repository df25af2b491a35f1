import {
  type CompletedPart,
  type MultipartUpload,
  paginateListParts,
  type Part,
  type S3,
} from '@aws-sdk/client-s3'
import { did, equal, listed, mapped, present } from './checks.ts'
import { readText } from './s3-objects.ts'

export async function uploadSteps(s3: S3, Bucket: string): Promise<void> {
  const start = async (Key: string): Promise<string> =>
    present((await s3.createMultipartUpload({ Bucket, Key })).UploadId)
  const large = { Bucket, Key: 'large', UploadId: await start('large') }
  const other = { Bucket, Key: 'other', UploadId: await start('other') }
  did('s3', 'multipart-upload', 'create')
  const part = async (PartNumber: number, Body: string): Promise<CompletedPart> => {
    const { ETag, ChecksumCRC32 } = await s3.uploadPart({ ...large, PartNumber, Body })
    return { PartNumber, ETag: present(ETag), ChecksumCRC32: present(ChecksumCRC32) }
  }
  const beginning = 'podrole '.repeat(5 << 17)
  await part(1, 'replaced')
  const parts = [await part(1, beginning), await part(2, 'end')]
  const tags = mapped(parts, (one) => one.ETag)
  const tagsOf = (found: readonly Part[] | undefined): string[] => mapped(found, (one) => one.ETag)
  equal("an upload's parts", tagsOf((await s3.listParts(large)).Parts), tags)
  did('s3', 'multipart-upload', 'read')
  const pages = paginateListParts({ client: s3, pageSize: 1 }, { ...large })
  equal('parts by pages', tagsOf(await listed(pages, (page) => page.Parts)), tags)
  await uploadLists(s3, Bucket, [large.UploadId, other.UploadId])
  const MultipartUpload = { Parts: parts }
  const made = await s3.completeMultipartUpload({ ...large, MultipartUpload })
  equal('of how many parts it is', made.ETag?.endsWith('-2"'), true)
  const { Key } = large
  equal('the whole of it', (await readText(s3, { Bucket, Key })) === `${beginning}end`, true)
  did('s3', 'multipart-upload', 'update')
  await s3.abortMultipartUpload(other)
  equal('no upload is left', (await s3.listMultipartUploads({ Bucket })).Uploads ?? [], [])
  did('s3', 'multipart-upload', 'delete')
  await s3.deleteObject({ Bucket, Key })
}

/** The bucket's uploads, at once and one a page; the SDK has no paginator for them. */
async function uploadLists(s3: S3, Bucket: string, wanted: readonly string[]): Promise<void> {
  const idsOf = (found: readonly MultipartUpload[] | undefined): string[] =>
    mapped(found, (one) => one.UploadId)
  equal('uploads', idsOf((await s3.listMultipartUploads({ Bucket })).Uploads), [...wanted])
  did('s3', 'multipart-upload', 'list')
  let marker: { KeyMarker?: string; UploadIdMarker?: string } = {}
  const found: string[] = []
  for (let count = 1; count <= wanted.length; count += 1) {
    const page = await s3.listMultipartUploads({ Bucket, MaxUploads: 1, ...marker })
    found.push(...idsOf(page.Uploads))
    equal('more follow', page.IsTruncated, count < wanted.length)
    if (page.IsTruncated !== true) break
    const { NextKeyMarker, NextUploadIdMarker } = page
    marker = { KeyMarker: present(NextKeyMarker), UploadIdMarker: present(NextUploadIdMarker) }
  }
  equal('uploads by pages', found, [...wanted])
  did('s3', 'multipart-upload', 'pages')
}
