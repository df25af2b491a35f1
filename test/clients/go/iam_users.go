package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const people = "/people/"

func (s *iamSteps) users(ctx context.Context) {
	for _, name := range []string{"ann", "ben", "cai"} {
		made := must(s.client.CreateUser(ctx, &iam.CreateUserInput{
			UserName: &name, Path: aws.String(people),
		})).User
		equal("a user's path", aws.ToString(made.Path), people)
	}
	did("iam", "user", "create")
	read := must(s.client.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("ann")})).User
	equal("a user's name", aws.ToString(read.UserName), "ann")
	did("iam", "user", "read")
	namesOf := func(users []types.User) []string {
		return mapped(users, func(one types.User) string { return *one.UserName })
	}
	input := &iam.ListUsersInput{PathPrefix: aws.String(people)}
	found := must(s.client.ListUsers(ctx, input)).Users
	equal("users", namesOf(found), []string{"ann", "ben", "cai"})
	did("iam", "user", "list")
	input.MaxItems = aws.Int32(2)
	pages := listed(ctx, iam.NewListUsersPaginator(s.client, input),
		func(page *iam.ListUsersOutput) []types.User { return page.Users })
	equal("users by pages", namesOf(pages), []string{"ann", "ben", "cai"})
	did("iam", "user", "pages")
	must(s.client.UpdateUser(ctx, &iam.UpdateUserInput{
		UserName: aws.String("cai"), NewUserName: aws.String("dee"), NewPath: aws.String("/former/"),
	}))
	read = must(s.client.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("dee")})).User
	equal("a renamed user's path", aws.ToString(read.Path), "/former/")
	did("iam", "user", "update")
	must(s.client.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("dee")}))
	refused(s.client.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("dee")}))("NoSuchEntity")
	did("iam", "user", "delete")
}

// userHolds goes over what users have like roles and groups.
func (s *iamSteps) userHolds(ctx context.Context) {
	ann := aws.String("ann")
	tags := &iam.ListUserTagsInput{UserName: ann, MaxItems: aws.Int32(1)}
	tagSteps("user-tags", tagged{
		tag: func(tags []types.Tag) {
			must(s.client.TagUser(ctx, &iam.TagUserInput{UserName: ann, Tags: tags}))
		},
		list: func() []types.Tag {
			return must(s.client.ListUserTags(ctx, &iam.ListUserTagsInput{UserName: ann})).Tags
		},
		pages: func() []types.Tag {
			return listed(ctx, iam.NewListUserTagsPaginator(s.client, tags),
				func(page *iam.ListUserTagsOutput) []types.Tag { return page.Tags })
		},
		untag: func(keys []string) {
			must(s.client.UntagUser(ctx, &iam.UntagUserInput{UserName: ann, TagKeys: keys}))
		},
	})
	boundarySteps("user-boundary", s.policy, bounded{
		put: func(arn *string) {
			input := &iam.PutUserPermissionsBoundaryInput{UserName: ann, PermissionsBoundary: arn}
			must(s.client.PutUserPermissionsBoundary(ctx, input))
		},
		read: func() *types.AttachedPermissionsBoundary {
			return must(s.client.GetUser(ctx, &iam.GetUserInput{UserName: ann})).User.PermissionsBoundary
		},
		remove: func() {
			input := &iam.DeleteUserPermissionsBoundaryInput{UserName: ann}
			must(s.client.DeleteUserPermissionsBoundary(ctx, input))
		},
	})
}

func (s *iamSteps) userPolicies(ctx context.Context) {
	ann := aws.String("ann")
	inline := &iam.ListUserPoliciesInput{UserName: ann, MaxItems: aws.Int32(1)}
	inlinePolicySteps("user-policy", inlinePolicies{
		put: func(name, document *string) {
			must(s.client.PutUserPolicy(ctx, &iam.PutUserPolicyInput{
				UserName: ann, PolicyName: name, PolicyDocument: document,
			}))
		},
		get: func(name *string) (*string, error) {
			read, err := s.client.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: ann, PolicyName: name})
			if err != nil {
				return nil, err
			}
			return read.PolicyDocument, nil
		},
		list: func() []string {
			return must(s.client.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: ann})).PolicyNames
		},
		pages: func() []string {
			return listed(ctx, iam.NewListUserPoliciesPaginator(s.client, inline),
				func(page *iam.ListUserPoliciesOutput) []string { return page.PolicyNames })
		},
		remove: func(name *string) {
			must(s.client.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: ann, PolicyName: name}))
		},
	})
	attachmentSteps("user-attachment", attachments{
		attach: func(arn *string) {
			must(s.client.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: ann, PolicyArn: arn}))
		},
		list: func() []types.AttachedPolicy {
			input := &iam.ListAttachedUserPoliciesInput{UserName: ann}
			return must(s.client.ListAttachedUserPolicies(ctx, input)).AttachedPolicies
		},
		detach: func(arn *string) {
			must(s.client.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: ann, PolicyArn: arn}))
		},
	}, s.policy)
}

func (s *iamSteps) accessKeys(ctx context.Context) {
	ann := aws.String("ann")
	first := must(s.client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: ann})).AccessKey
	second := must(s.client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: ann})).AccessKey
	identity := func() (*sts.GetCallerIdentityOutput, error) {
		cfg := s.cfg.Copy()
		cfg.Credentials = credentials.NewStaticCredentialsProvider(*first.AccessKeyId, *first.SecretAccessKey, "")
		return sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	}
	user := must(s.client.GetUser(ctx, &iam.GetUserInput{UserName: ann})).User
	equal("whose key it is", *must(identity()).Arn, *user.Arn)
	did("iam", "access-key", "create")
	used := must(s.client.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: first.AccessKeyId}))
	equal("whose key was used", aws.ToString(used.UserName), "ann")
	equal("for what", aws.ToString(used.AccessKeyLastUsed.ServiceName), "sts")
	did("iam", "access-key", "read")
	input := &iam.ListAccessKeysInput{UserName: ann}
	statusOf := func(keys []types.AccessKeyMetadata) map[string]types.StatusType {
		found := map[string]types.StatusType{}
		for _, key := range keys {
			found[*key.AccessKeyId] = key.Status
		}
		return found
	}
	active := map[string]types.StatusType{
		*first.AccessKeyId: types.StatusTypeActive, *second.AccessKeyId: types.StatusTypeActive,
	}
	equal("keys", statusOf(must(s.client.ListAccessKeys(ctx, input)).AccessKeyMetadata), active)
	did("iam", "access-key", "list")
	paged := &iam.ListAccessKeysInput{UserName: ann, MaxItems: aws.Int32(1)}
	pages := listed(ctx, iam.NewListAccessKeysPaginator(s.client, paged),
		func(page *iam.ListAccessKeysOutput) []types.AccessKeyMetadata { return page.AccessKeyMetadata })
	equal("keys by pages", statusOf(pages), active)
	did("iam", "access-key", "pages")
	must(s.client.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{
		UserName: ann, AccessKeyId: first.AccessKeyId, Status: types.StatusTypeInactive,
	}))
	found := statusOf(must(s.client.ListAccessKeys(ctx, input)).AccessKeyMetadata)
	equal("a key's status", found[*first.AccessKeyId], types.StatusTypeInactive)
	refused(identity())("InvalidClientTokenId")
	did("iam", "access-key", "update")
	for _, key := range []*types.AccessKey{first, second} {
		must(s.client.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: ann, AccessKeyId: key.AccessKeyId}))
	}
	found = statusOf(must(s.client.ListAccessKeys(ctx, input)).AccessKeyMetadata)
	equal("no key is left", len(found), 0)
	did("iam", "access-key", "delete")
}
