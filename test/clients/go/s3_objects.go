package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"hash/crc32"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// crc32Of is the checksum that the SDK sends of itself.
func crc32Of(text string) string {
	checksum := crc32.ChecksumIEEE([]byte(text))
	return base64.StdEncoding.EncodeToString([]byte{
		byte(checksum >> 24), byte(checksum >> 16), byte(checksum >> 8), byte(checksum),
	})
}

func (s *s3Steps) put(ctx context.Context, key, text string) *s3.PutObjectOutput {
	return must(s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: s.bucket, Key: &key, Body: strings.NewReader(text),
		Metadata: map[string]string{"team": "a"},
	}))
}

// text is an object's content; the SDK compares it with the object's checksum.
func (s *s3Steps) text(ctx context.Context, key string, options ...func(*s3.Options)) string {
	answer := must(s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: s.bucket, Key: &key}, options...))
	defer answer.Body.Close()
	return string(must(io.ReadAll(answer.Body)))
}

func (s *s3Steps) objects(ctx context.Context) {
	made := s.put(ctx, "a key/ä+1", "first")
	equal("the checksum that was kept", aws.ToString(made.ChecksumCRC32), crc32Of("first"))
	s.put(ctx, "b", "second")
	must(s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: s.bucket, Key: aws.String("c"), Body: strings.NewReader("third"),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme,
	}))
	did("s3", "object", "create")
	equal("an object", s.text(ctx, "a key/ä+1"), "first")
	equal("one with a longer checksum", s.text(ctx, "c"), "third")
	head := must(s.client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: s.bucket, Key: aws.String("a key/ä+1"), ChecksumMode: types.ChecksumModeEnabled,
	}))
	equal("its length", aws.ToInt64(head.ContentLength), 5)
	equal("its metadata", head.Metadata, map[string]string{"team": "a"})
	equal("its checksum", aws.ToString(head.ChecksumCRC32), crc32Of("first"))
	did("s3", "object", "read")
	keysOf := func(objects []types.Object) []string {
		return mapped(objects, func(one types.Object) string { return *one.Key })
	}
	all := []string{"a key/ä+1", "b", "c"}
	input := &s3.ListObjectsV2Input{Bucket: s.bucket}
	equal("objects", keysOf(must(s.client.ListObjectsV2(ctx, input)).Contents), all)
	did("s3", "object", "list")
	input.MaxKeys = aws.Int32(2)
	pages := listed(ctx, s3.NewListObjectsV2Paginator(s.client, input),
		func(page *s3.ListObjectsV2Output) []types.Object { return page.Contents })
	equal("objects by pages", keysOf(pages), all)
	did("s3", "object", "pages")
	again := s.put(ctx, "b", "another")
	equal("another content", s.text(ctx, "b"), "another")
	equal("another tag", *again.ETag != *made.ETag, true)
	did("s3", "object", "update")
	must(s.client.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: s.bucket, Key: aws.String("copy"), CopySource: aws.String(*s.bucket + "/b"),
	}))
	equal("a copy", s.text(ctx, "copy"), "another")
	did("s3", "object-copy", "create")
	s.deletions(ctx)
}

func (s *s3Steps) deletions(ctx context.Context) {
	must(s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: s.bucket, Key: aws.String("b")}))
	refused(s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: s.bucket, Key: aws.String("b")}))("NoSuchKey")
	did("s3", "object", "delete")
	keys := []string{"a key/ä+1", "c", "copy"}
	answer := must(s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: s.bucket, Delete: &types.Delete{Objects: mapped(keys, func(key string) types.ObjectIdentifier {
			return types.ObjectIdentifier{Key: &key}
		})},
	}))
	gone := mapped(answer.Deleted, func(one types.DeletedObject) string { return *one.Key })
	equal("what was deleted", gone, keys)
	left := must(s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: s.bucket}))
	equal("what is left", aws.ToInt32(left.KeyCount), 0)
	did("s3", "objects", "delete")
}

func (s *s3Steps) presigned(ctx context.Context) {
	signer, key := s3.NewPresignClient(s.client), aws.String("shared")
	// fetch asks for a signed URL as a program without any SDK does.
	fetch := func(method, url, body string) string {
		request := must(http.NewRequestWithContext(ctx, method, url, strings.NewReader(body)))
		response := must(http.DefaultClient.Do(request))
		defer response.Body.Close()
		answer := string(must(io.ReadAll(response.Body)))
		equal(answer, response.StatusCode, http.StatusOK)
		return answer
	}
	upload := must(signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: s.bucket, Key: key}))
	fetch(upload.Method, upload.URL, "for all")
	equal("what was uploaded", s.text(ctx, *key), "for all")
	did("s3", "presigned-url", "create")
	download := must(signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: s.bucket, Key: key}))
	equal("what a link gives", fetch(download.Method, download.URL, ""), "for all")
	did("s3", "presigned-url", "read")
	must(s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: s.bucket, Key: key}))
}

func (s *s3Steps) uploads(ctx context.Context) {
	start := func(key string) *string {
		return must(s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: s.bucket, Key: &key,
		})).UploadId
	}
	large, other := start("large"), start("other")
	did("s3", "multipart-upload", "create")
	part := func(number int32, content []byte) types.CompletedPart {
		made := must(s.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: s.bucket, Key: aws.String("large"), UploadId: large, PartNumber: &number,
			Body: bytes.NewReader(content),
		}))
		return types.CompletedPart{PartNumber: &number, ETag: made.ETag, ChecksumCRC32: made.ChecksumCRC32}
	}
	beginning := bytes.Repeat([]byte("podrole "), 5<<17)
	part(1, []byte("replaced"))
	parts := []types.CompletedPart{part(1, beginning), part(2, []byte("end"))}
	tagsOf := func(parts []types.Part) []string {
		return mapped(parts, func(one types.Part) string { return *one.ETag })
	}
	tags := mapped(parts, func(one types.CompletedPart) string { return *one.ETag })
	read := &s3.ListPartsInput{Bucket: s.bucket, Key: aws.String("large"), UploadId: large}
	equal("an upload's parts", tagsOf(must(s.client.ListParts(ctx, read)).Parts), tags)
	did("s3", "multipart-upload", "read")
	read.MaxParts = aws.Int32(1)
	pages := listed(ctx, s3.NewListPartsPaginator(s.client, read),
		func(page *s3.ListPartsOutput) []types.Part { return page.Parts })
	equal("parts by pages", tagsOf(pages), tags)
	s.uploadLists(ctx, []string{*large, *other})
	made := must(s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: s.bucket, Key: aws.String("large"), UploadId: large,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	}))
	equal("of how many parts it is", strings.HasSuffix(*made.ETag, `-2"`), true)
	// The SDK warns of a checksum of checksums, which it cannot compare.
	whole := s.text(ctx, "large", func(options *s3.Options) {
		options.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
	equal("the whole of it", whole == string(beginning)+"end", true)
	did("s3", "multipart-upload", "update")
	must(s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: s.bucket, Key: aws.String("other"), UploadId: other,
	}))
	left := must(s.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: s.bucket})).Uploads
	equal("no upload is left", len(left), 0)
	did("s3", "multipart-upload", "delete")
	must(s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: s.bucket, Key: aws.String("large")}))
}

func (s *s3Steps) uploadLists(ctx context.Context, wanted []string) {
	idsOf := func(uploads []types.MultipartUpload) []string {
		return mapped(uploads, func(one types.MultipartUpload) string { return *one.UploadId })
	}
	input := &s3.ListMultipartUploadsInput{Bucket: s.bucket}
	equal("uploads", idsOf(must(s.client.ListMultipartUploads(ctx, input)).Uploads), wanted)
	did("s3", "multipart-upload", "list")
	input.MaxUploads = aws.Int32(1)
	pages := listed(ctx, s3.NewListMultipartUploadsPaginator(s.client, input),
		func(page *s3.ListMultipartUploadsOutput) []types.MultipartUpload { return page.Uploads })
	equal("uploads by pages", idsOf(pages), wanted)
	did("s3", "multipart-upload", "pages")
}
