package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func (s *iamSteps) providers(ctx context.Context) {
	thumbprint := "0123456789abcdef0123456789abcdef01234567"
	arn := must(s.client.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://go.issuer.example/path"), ClientIDList: []string{"one"},
	})).OpenIDConnectProviderArn
	did("iam", "oidc-provider", "create")
	read := func() *iam.GetOpenIDConnectProviderOutput {
		return must(s.client.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))
	}
	equal("a provider's issuer", aws.ToString(read().Url), "go.issuer.example/path")
	did("iam", "oidc-provider", "read")
	all := must(s.client.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{}))
	arns := mapped(all.OpenIDConnectProviderList, func(one types.OpenIDConnectProviderListEntry) string { return *one.Arn })
	contains("providers", arns, *arn)
	did("iam", "oidc-provider", "list")
	must(s.client.AddClientIDToOpenIDConnectProvider(ctx, &iam.AddClientIDToOpenIDConnectProviderInput{
		OpenIDConnectProviderArn: arn, ClientID: aws.String("two"),
	}))
	equal("a provider's client ids", read().ClientIDList, []string{"one", "two"})
	did("iam", "oidc-provider-client-id", "create")
	must(s.client.RemoveClientIDFromOpenIDConnectProvider(ctx, &iam.RemoveClientIDFromOpenIDConnectProviderInput{
		OpenIDConnectProviderArn: arn, ClientID: aws.String("one"),
	}))
	equal("the client id that is left", read().ClientIDList, []string{"two"})
	did("iam", "oidc-provider-client-id", "delete")
	must(s.client.UpdateOpenIDConnectProviderThumbprint(ctx, &iam.UpdateOpenIDConnectProviderThumbprintInput{
		OpenIDConnectProviderArn: arn, ThumbprintList: []string{thumbprint},
	}))
	equal("a provider's thumbprints", read().ThumbprintList, []string{thumbprint})
	did("iam", "oidc-provider-thumbprint", "update")
	tagSteps("oidc-provider-tags", tagged{
		tag: func(tags []types.Tag) {
			input := &iam.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, Tags: tags}
			must(s.client.TagOpenIDConnectProvider(ctx, input))
		},
		list: func() []types.Tag {
			input := &iam.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: arn}
			return must(s.client.ListOpenIDConnectProviderTags(ctx, input)).Tags
		},
		untag: func(keys []string) {
			input := &iam.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, TagKeys: keys}
			must(s.client.UntagOpenIDConnectProvider(ctx, input))
		},
	})
	must(s.client.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))
	refused(s.client.GetOpenIDConnectProvider(ctx,
		&iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))("NoSuchEntity")
	did("iam", "oidc-provider", "delete")
}

func (s *iamSteps) account(ctx context.Context) {
	summary := must(s.client.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})).SummaryMap
	users := must(s.client.ListUsers(ctx, &iam.ListUsersInput{})).Users
	equal("the account's users", int(summary["Users"]), len(users))
	equal("the longest trust policy", summary["AssumeRolePolicySizeQuota"], 2048)
	did("iam", "account", "read")
	input := &iam.GetAccountAuthorizationDetailsInput{}
	userNames := func(users []types.UserDetail) []string {
		return mapped(users, func(one types.UserDetail) string { return *one.UserName })
	}
	details := must(s.client.GetAccountAuthorizationDetails(ctx, input))
	contains("users in detail", userNames(details.UserDetailList), "ann", "ben")
	contains("roles in detail",
		mapped(details.RoleDetailList, func(one types.RoleDetail) string { return *one.RoleName }), "web")
	did("iam", "account-authorization", "list")
	input.MaxItems = aws.Int32(1)
	pages := listed(ctx, iam.NewGetAccountAuthorizationDetailsPaginator(s.client, input),
		func(page *iam.GetAccountAuthorizationDetailsOutput) []types.UserDetail { return page.UserDetailList })
	equal("users by pages", userNames(pages), userNames(details.UserDetailList))
	did("iam", "account-authorization", "pages")
	simulated := must(s.client.SimulateCustomPolicy(ctx, &iam.SimulateCustomPolicyInput{
		PolicyInputList: []string{readPolicy}, ActionNames: []string{"s3:GetObject", "s3:PutObject"},
		ResourceArns: []string{"arn:aws:s3:::bucket/key"},
	})).EvaluationResults
	decisions := map[string]types.PolicyEvaluationDecisionType{}
	for _, one := range simulated {
		decisions[*one.EvalActionName] = one.EvalDecision
	}
	equal("decisions", decisions, map[string]types.PolicyEvaluationDecisionType{
		"s3:GetObject": types.PolicyEvaluationDecisionTypeAllowed,
		"s3:PutObject": types.PolicyEvaluationDecisionTypeImplicitDeny,
	})
	did("iam", "simulation", "read")
}
