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
	s.userTags(ctx)
	s.userBoundary(ctx)
}

func (s *iamSteps) userTags(ctx context.Context) {
	ann := aws.String("ann")
	must(s.client.TagUser(ctx, &iam.TagUserInput{
		UserName: ann, Tags: []types.Tag{tag("team", "a"), tag("stage", "test")},
	}))
	input := &iam.ListUserTagsInput{UserName: ann}
	found := tagsOf(must(s.client.ListUserTags(ctx, input)).Tags)
	equal("a user's tags", found, map[string]string{"team": "a", "stage": "test"})
	did("iam", "user-tags", "create", "list")
	input.MaxItems = aws.Int32(1)
	pages := listed(ctx, iam.NewListUserTagsPaginator(s.client, input),
		func(page *iam.ListUserTagsOutput) []types.Tag { return page.Tags })
	equal("tags by pages", tagsOf(pages), map[string]string{"team": "a", "stage": "test"})
	did("iam", "user-tags", "pages")
	must(s.client.UntagUser(ctx, &iam.UntagUserInput{UserName: ann, TagKeys: []string{"team"}}))
	left := must(s.client.ListUserTags(ctx, &iam.ListUserTagsInput{UserName: ann})).Tags
	equal("the tags that are left", tagsOf(left), map[string]string{"stage": "test"})
	did("iam", "user-tags", "delete")
}

func (s *iamSteps) userBoundary(ctx context.Context) {
	ann := aws.String("ann")
	boundary := func() *types.AttachedPermissionsBoundary {
		return must(s.client.GetUser(ctx, &iam.GetUserInput{UserName: ann})).User.PermissionsBoundary
	}
	must(s.client.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{
		UserName: ann, PermissionsBoundary: &s.policy,
	}))
	equal("a user's boundary", aws.ToString(boundary().PermissionsBoundaryArn), s.policy)
	did("iam", "user-boundary", "create", "read")
	must(s.client.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: ann}))
	equal("no boundary", boundary(), nil)
	did("iam", "user-boundary", "delete")
}

func (s *iamSteps) userPolicies(ctx context.Context) {
	ann := aws.String("ann")
	put := func(name, document string) {
		must(s.client.PutUserPolicy(ctx, &iam.PutUserPolicyInput{
			UserName: ann, PolicyName: &name, PolicyDocument: &document,
		}))
		read := must(s.client.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: ann, PolicyName: &name}))
		sameDocument("a user's policy", read.PolicyDocument, document)
	}
	put("p1", readPolicy)
	put("p2", readPolicy)
	did("iam", "user-policy", "create", "read")
	input := &iam.ListUserPoliciesInput{UserName: ann}
	found := must(s.client.ListUserPolicies(ctx, input)).PolicyNames
	equal("a user's policies", found, []string{"p1", "p2"})
	did("iam", "user-policy", "list")
	input.MaxItems = aws.Int32(1)
	pages := listed(ctx, iam.NewListUserPoliciesPaginator(s.client, input),
		func(page *iam.ListUserPoliciesOutput) []string { return page.PolicyNames })
	equal("by pages", pages, []string{"p1", "p2"})
	did("iam", "user-policy", "pages")
	put("p1", writePolicy)
	did("iam", "user-policy", "update")
	for _, name := range []string{"p1", "p2"} {
		must(s.client.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: ann, PolicyName: &name}))
	}
	gone := &iam.GetUserPolicyInput{UserName: ann, PolicyName: aws.String("p1")}
	refused(s.client.GetUserPolicy(ctx, gone))("NoSuchEntity")
	did("iam", "user-policy", "delete")
	s.userAttachments(ctx)
}

func (s *iamSteps) userAttachments(ctx context.Context) {
	ann := aws.String("ann")
	attached := func() []string {
		found := must(s.client.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: ann}))
		return mapped(found.AttachedPolicies, func(one types.AttachedPolicy) string { return *one.PolicyArn })
	}
	must(s.client.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: ann, PolicyArn: &s.policy}))
	equal("attached to a user", attached(), []string{s.policy})
	did("iam", "user-attachment", "create", "list")
	must(s.client.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: ann, PolicyArn: &s.policy}))
	equal("attached no more", attached(), []string{})
	did("iam", "user-attachment", "delete")
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
