package main

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const apps = "/apps/"

func (s *iamSteps) role(ctx context.Context, name string) *types.Role {
	return must(s.client.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})).Role
}

func (s *iamSteps) roles(ctx context.Context) {
	trust := trustOf("ec2.amazonaws.com")
	for _, name := range []string{"web", "worker"} {
		made := must(s.client.CreateRole(ctx, &iam.CreateRoleInput{
			RoleName: &name, Path: aws.String(apps), AssumeRolePolicyDocument: &trust,
		})).Role
		equal("a role's path", aws.ToString(made.Path), apps)
	}
	did("iam", "role", "create")
	equal("a role's longest session", aws.ToInt32(s.role(ctx, "web").MaxSessionDuration), 3600)
	did("iam", "role", "read")
	sameDocument("a role's trust policy", s.role(ctx, "web").AssumeRolePolicyDocument, trust)
	did("iam", "role-trust-policy", "read")
	namesOf := func(roles []types.Role) []string {
		return mapped(roles, func(one types.Role) string { return *one.RoleName })
	}
	input := &iam.ListRolesInput{PathPrefix: aws.String(apps)}
	equal("roles", namesOf(must(s.client.ListRoles(ctx, input)).Roles), []string{"web", "worker"})
	did("iam", "role", "list")
	input.MaxItems = aws.Int32(1)
	pages := listed(ctx, iam.NewListRolesPaginator(s.client, input),
		func(page *iam.ListRolesOutput) []types.Role { return page.Roles })
	equal("roles by pages", namesOf(pages), []string{"web", "worker"})
	did("iam", "role", "pages")
	must(s.client.UpdateRole(ctx, &iam.UpdateRoleInput{
		RoleName: aws.String("web"), Description: aws.String("serves"), MaxSessionDuration: aws.Int32(7200),
	}))
	updated := s.role(ctx, "web")
	equal("a role's description", aws.ToString(updated.Description), "serves")
	equal("its longest session", aws.ToInt32(updated.MaxSessionDuration), 7200)
	did("iam", "role", "update")
	trust = trustOf("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")
	must(s.client.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{
		RoleName: aws.String("web"), PolicyDocument: &trust,
	}))
	sameDocument("another trust policy", s.role(ctx, "web").AssumeRolePolicyDocument, trust)
	did("iam", "role-trust-policy", "update")
	must(s.client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("worker")}))
	refused(s.client.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("worker")}))("NoSuchEntity")
	did("iam", "role", "delete")
	s.roleTags(ctx)
	s.roleBoundary(ctx)
}

func (s *iamSteps) roleTags(ctx context.Context) {
	web := aws.String("web")
	must(s.client.TagRole(ctx, &iam.TagRoleInput{
		RoleName: web, Tags: []types.Tag{tag("team", "a"), tag("stage", "test")},
	}))
	input := &iam.ListRoleTagsInput{RoleName: web}
	both := map[string]string{"team": "a", "stage": "test"}
	equal("a role's tags", tagsOf(must(s.client.ListRoleTags(ctx, input)).Tags), both)
	did("iam", "role-tags", "create", "list")
	input.MaxItems = aws.Int32(1)
	pages := listed(ctx, iam.NewListRoleTagsPaginator(s.client, input),
		func(page *iam.ListRoleTagsOutput) []types.Tag { return page.Tags })
	equal("tags by pages", tagsOf(pages), both)
	did("iam", "role-tags", "pages")
	must(s.client.UntagRole(ctx, &iam.UntagRoleInput{RoleName: web, TagKeys: []string{"team"}}))
	left := must(s.client.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: web})).Tags
	equal("the tags that are left", tagsOf(left), map[string]string{"stage": "test"})
	did("iam", "role-tags", "delete")
}

func (s *iamSteps) roleBoundary(ctx context.Context) {
	web := aws.String("web")
	must(s.client.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{
		RoleName: web, PermissionsBoundary: &s.policy,
	}))
	boundary := s.role(ctx, "web").PermissionsBoundary
	equal("a role's boundary", aws.ToString(boundary.PermissionsBoundaryArn), s.policy)
	did("iam", "role-boundary", "create", "read")
	must(s.client.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: web}))
	equal("no boundary", s.role(ctx, "web").PermissionsBoundary, nil)
	did("iam", "role-boundary", "delete")
}

func (s *iamSteps) rolePolicies(ctx context.Context) {
	web := aws.String("web")
	put := func(name, document string) {
		must(s.client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
			RoleName: web, PolicyName: &name, PolicyDocument: &document,
		}))
		read := must(s.client.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: web, PolicyName: &name}))
		sameDocument("a role's policy", read.PolicyDocument, document)
	}
	put("p1", readPolicy)
	put("p2", readPolicy)
	did("iam", "role-policy", "create", "read")
	input := &iam.ListRolePoliciesInput{RoleName: web}
	found := must(s.client.ListRolePolicies(ctx, input)).PolicyNames
	equal("a role's policies", found, []string{"p1", "p2"})
	did("iam", "role-policy", "list")
	input.MaxItems = aws.Int32(1)
	pages := listed(ctx, iam.NewListRolePoliciesPaginator(s.client, input),
		func(page *iam.ListRolePoliciesOutput) []string { return page.PolicyNames })
	equal("by pages", pages, []string{"p1", "p2"})
	did("iam", "role-policy", "pages")
	put("p1", writePolicy)
	did("iam", "role-policy", "update")
	for _, name := range []string{"p1", "p2"} {
		must(s.client.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: web, PolicyName: &name}))
	}
	gone := &iam.GetRolePolicyInput{RoleName: web, PolicyName: aws.String("p1")}
	refused(s.client.GetRolePolicy(ctx, gone))("NoSuchEntity")
	did("iam", "role-policy", "delete")
	s.roleAttachments(ctx)
}

func (s *iamSteps) roleAttachments(ctx context.Context) {
	web, managed := aws.String("web"), aws.String("arn:aws:iam::aws:policy/IAMReadOnlyAccess")
	namesOf := func(policies []types.AttachedPolicy) []string {
		return slices.Sorted(slices.Values(
			mapped(policies, func(one types.AttachedPolicy) string { return *one.PolicyName })))
	}
	for _, arn := range []*string{managed, &s.policy} {
		must(s.client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: web, PolicyArn: arn}))
	}
	input := &iam.ListAttachedRolePoliciesInput{RoleName: web}
	both := []string{"IAMReadOnlyAccess", "second"}
	equal("attached to a role", namesOf(must(s.client.ListAttachedRolePolicies(ctx, input)).AttachedPolicies), both)
	did("iam", "role-attachment", "create", "list")
	input.MaxItems = aws.Int32(1)
	pages := listed(ctx, iam.NewListAttachedRolePoliciesPaginator(s.client, input),
		func(page *iam.ListAttachedRolePoliciesOutput) []types.AttachedPolicy { return page.AttachedPolicies })
	equal("by pages", namesOf(pages), both)
	did("iam", "role-attachment", "pages")
	entities := must(s.client.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: &s.policy}))
	roles := mapped(entities.PolicyRoles, func(one types.PolicyRole) string { return *one.RoleName })
	equal("who has a policy", roles, []string{"web"})
	equal("no user has it", len(entities.PolicyUsers), 0)
	did("iam", "policy-entities", "list")
	for _, arn := range []*string{managed, &s.policy} {
		must(s.client.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: web, PolicyArn: arn}))
	}
	left := must(s.client.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: web}))
	equal("attached no more", len(left.AttachedPolicies), 0)
	did("iam", "role-attachment", "delete")
}

func (s *iamSteps) instanceProfiles(ctx context.Context) {
	for _, name := range []string{"node-a", "node-b"} {
		made := must(s.client.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{
			InstanceProfileName: &name, Path: aws.String(apps),
		})).InstanceProfile
		equal("a profile's roles", len(made.Roles), 0)
	}
	did("iam", "instance-profile", "create")
	a := aws.String("node-a")
	rolesOf := func() []string {
		read := must(s.client.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: a}))
		return mapped(read.InstanceProfile.Roles, func(one types.Role) string { return *one.RoleName })
	}
	equal("it holds no role", rolesOf(), []string{})
	did("iam", "instance-profile", "read")
	namesOf := func(profiles []types.InstanceProfile) []string {
		return mapped(profiles, func(one types.InstanceProfile) string { return *one.InstanceProfileName })
	}
	input := &iam.ListInstanceProfilesInput{PathPrefix: aws.String(apps)}
	both := []string{"node-a", "node-b"}
	equal("profiles", namesOf(must(s.client.ListInstanceProfiles(ctx, input)).InstanceProfiles), both)
	did("iam", "instance-profile", "list")
	input.MaxItems = aws.Int32(1)
	pages := listed(ctx, iam.NewListInstanceProfilesPaginator(s.client, input),
		func(page *iam.ListInstanceProfilesOutput) []types.InstanceProfile { return page.InstanceProfiles })
	equal("profiles by pages", namesOf(pages), both)
	did("iam", "instance-profile", "pages")
	web := aws.String("web")
	must(s.client.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{
		InstanceProfileName: a, RoleName: web,
	}))
	equal("it holds a role", rolesOf(), []string{"web"})
	did("iam", "instance-profile-role", "create")
	of := must(s.client.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: web}))
	equal("a role's profiles", namesOf(of.InstanceProfiles), []string{"node-a"})
	did("iam", "instance-profile-role", "list")
	must(s.client.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{
		InstanceProfileName: a, RoleName: web,
	}))
	equal("it holds none again", rolesOf(), []string{})
	did("iam", "instance-profile-role", "delete")
	must(s.client.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: a}))
	refused(s.client.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: a}))("NoSuchEntity")
	did("iam", "instance-profile", "delete")
}
