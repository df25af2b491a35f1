package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func (s *iamSteps) policies(ctx context.Context) {
	for _, name := range []string{"first", "second"} {
		made := must(s.client.CreatePolicy(ctx, &iam.CreatePolicyInput{
			PolicyName: &name, PolicyDocument: aws.String(readPolicy), Path: aws.String("/apps/"),
		})).Policy
		equal("a policy's default version", aws.ToString(made.DefaultVersionId), "v1")
		s.policy = *made.Arn
	}
	did("iam", "policy", "create")
	read := must(s.client.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &s.policy})).Policy
	equal("a policy's name", aws.ToString(read.PolicyName), "second")
	equal("a policy's path", aws.ToString(read.Path), "/apps/")
	did("iam", "policy", "read")
	namesOf := func(policies []types.Policy) []string {
		return mapped(policies, func(one types.Policy) string { return *one.PolicyName })
	}
	own := &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal, PathPrefix: aws.String("/apps/")}
	equal("policies", namesOf(must(s.client.ListPolicies(ctx, own)).Policies), []string{"first", "second"})
	did("iam", "policy", "list")
	own.MaxItems = aws.Int32(1)
	pages := listed(ctx, iam.NewListPoliciesPaginator(s.client, own),
		func(page *iam.ListPoliciesOutput) []types.Policy { return page.Policies })
	equal("policies by pages", namesOf(pages), []string{"first", "second"})
	did("iam", "policy", "pages")
	s.policyVersions(ctx)
	tagSteps("policy-tags", tagged{
		tag: func(tags []types.Tag) {
			must(s.client.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: &s.policy, Tags: tags}))
		},
		list: func() []types.Tag {
			return must(s.client.ListPolicyTags(ctx, &iam.ListPolicyTagsInput{PolicyArn: &s.policy})).Tags
		},
		untag: func(keys []string) {
			must(s.client.UntagPolicy(ctx, &iam.UntagPolicyInput{PolicyArn: &s.policy, TagKeys: keys}))
		},
	})
}

func (s *iamSteps) policyVersions(ctx context.Context) {
	version := must(s.client.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{
		PolicyArn: &s.policy, PolicyDocument: aws.String(writePolicy),
	})).PolicyVersion
	equal("the second version", aws.ToString(version.VersionId), "v2")
	equal("is not the default", version.IsDefaultVersion, false)
	did("iam", "policy-version", "create")
	read := must(s.client.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{
		PolicyArn: &s.policy, VersionId: aws.String("v2"),
	})).PolicyVersion
	sameDocument("a version's document", read.Document, writePolicy)
	did("iam", "policy-version", "read")
	idsOf := func(versions []types.PolicyVersion) []string {
		return mapped(versions, func(one types.PolicyVersion) string { return *one.VersionId })
	}
	input := &iam.ListPolicyVersionsInput{PolicyArn: &s.policy}
	found := must(s.client.ListPolicyVersions(ctx, input)).Versions
	equal("versions", idsOf(found), []string{"v2", "v1"})
	did("iam", "policy-version", "list")
	input.MaxItems = aws.Int32(1)
	pages := listed(ctx, iam.NewListPolicyVersionsPaginator(s.client, input),
		func(page *iam.ListPolicyVersionsOutput) []types.PolicyVersion { return page.Versions })
	equal("versions by pages", idsOf(pages), []string{"v2", "v1"})
	did("iam", "policy-version", "pages")
	must(s.client.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{
		PolicyArn: &s.policy, VersionId: aws.String("v2"),
	}))
	policy := must(s.client.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &s.policy})).Policy
	equal("the default version", aws.ToString(policy.DefaultVersionId), "v2")
	did("iam", "policy-version", "update")
	first := &iam.DeletePolicyVersionInput{PolicyArn: &s.policy, VersionId: aws.String("v1")}
	must(s.client.DeletePolicyVersion(ctx, first))
	found = must(s.client.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: &s.policy})).Versions
	equal("what is left", idsOf(found), []string{"v2"})
	did("iam", "policy-version", "delete")
}

// ends deletes the policy that all steps used.
func (s *iamSteps) ends(ctx context.Context) {
	must(s.client.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &s.policy}))
	refused(s.client.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &s.policy}))("NoSuchEntity")
	did("iam", "policy", "delete")
}
