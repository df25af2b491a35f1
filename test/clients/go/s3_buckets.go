package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

type s3Steps struct {
	client *s3.Client
	bucket *string
}

func runS3(ctx context.Context, cfg aws.Config) {
	s := &s3Steps{client: sandboxS3(cfg), bucket: aws.String("go-client")}
	must(s.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: s.bucket}))
	head := &s3.HeadBucketInput{Bucket: s.bucket}
	equal("a bucket's region", aws.ToString(must(s.client.HeadBucket(ctx, head)).BucketRegion), cfg.Region)
	did("s3", "bucket", "create", "read")
	buckets := must(s.client.ListBuckets(ctx, &s3.ListBucketsInput{})).Buckets
	contains("buckets", mapped(buckets, func(one types.Bucket) string { return *one.Name }), *s.bucket)
	did("s3", "bucket", "list")
	s.bucketPolicy(ctx)
	s.ownershipControls(ctx)
	s.publicAccessBlock(ctx)
	acl := must(s.client.GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: s.bucket}))
	equal("who may do what", acl.Grants[0].Permission, types.PermissionFullControl)
	equal("it is the owner", *acl.Grants[0].Grantee.ID, *acl.Owner.ID)
	did("s3", "acl", "read")
	s.objects(ctx)
	s.uploads(ctx)
	s.presigned(ctx)
	must(s.client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: s.bucket}))
	refused(s.client.HeadBucket(ctx, head))("NotFound")
	did("s3", "bucket", "delete")
}

func (s *s3Steps) bucketPolicy(ctx context.Context) {
	policy := fmt.Sprintf(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::%s/closed/*"}]}`,
		*s.bucket)
	read := &s3.GetBucketPolicyInput{Bucket: s.bucket}
	must(s.client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: s.bucket, Policy: &policy}))
	did("s3", "bucket-policy", "create")
	sameJSON("a bucket's policy", *must(s.client.GetBucketPolicy(ctx, read)).Policy, policy)
	did("s3", "bucket-policy", "read")
	must(s.client.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: s.bucket}))
	refused(s.client.GetBucketPolicy(ctx, read))("NoSuchBucketPolicy")
	did("s3", "bucket-policy", "delete")
}

func (s *s3Steps) ownershipControls(ctx context.Context) {
	read := &s3.GetBucketOwnershipControlsInput{Bucket: s.bucket}
	must(s.client.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
		Bucket: s.bucket, OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{
			{ObjectOwnership: types.ObjectOwnershipBucketOwnerPreferred},
		}},
	}))
	did("s3", "ownership-controls", "create")
	rules := must(s.client.GetBucketOwnershipControls(ctx, read)).OwnershipControls.Rules
	equal("who owns objects", rules[0].ObjectOwnership, types.ObjectOwnershipBucketOwnerPreferred)
	did("s3", "ownership-controls", "read")
	must(s.client.DeleteBucketOwnershipControls(ctx, &s3.DeleteBucketOwnershipControlsInput{Bucket: s.bucket}))
	refused(s.client.GetBucketOwnershipControls(ctx, read))("OwnershipControlsNotFoundError")
	did("s3", "ownership-controls", "delete")
}

func (s *s3Steps) publicAccessBlock(ctx context.Context) {
	read := &s3.GetPublicAccessBlockInput{Bucket: s.bucket}
	must(s.client.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: s.bucket, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(false),
		},
	}))
	did("s3", "public-access-block", "create")
	block := must(s.client.GetPublicAccessBlock(ctx, read)).PublicAccessBlockConfiguration
	equal("public ACLs are blocked", aws.ToBool(block.BlockPublicAcls), true)
	equal("public policies are not", aws.ToBool(block.BlockPublicPolicy), false)
	did("s3", "public-access-block", "read")
	must(s.client.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: s.bucket}))
	refused(s.client.GetPublicAccessBlock(ctx, read))("NoSuchPublicAccessBlockConfiguration")
	did("s3", "public-access-block", "delete")
}
