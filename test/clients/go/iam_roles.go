package main

import (
	"context"

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
}

// roleHolds goes over what roles have like users.
func (s *iamSteps) roleHolds(ctx context.Context) {
	web := aws.String("web")
	tags := &iam.ListRoleTagsInput{RoleName: web, MaxItems: aws.Int32(1)}
	tagSteps("role-tags", tagged{
		tag: func(tags []types.Tag) {
			must(s.client.TagRole(ctx, &iam.TagRoleInput{RoleName: web, Tags: tags}))
		},
		list: func() []types.Tag {
			return must(s.client.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: web})).Tags
		},
		pages: func() []types.Tag {
			return listed(ctx, iam.NewListRoleTagsPaginator(s.client, tags),
				func(page *iam.ListRoleTagsOutput) []types.Tag { return page.Tags })
		},
		untag: func(keys []string) {
			must(s.client.UntagRole(ctx, &iam.UntagRoleInput{RoleName: web, TagKeys: keys}))
		},
	})
	boundarySteps("role-boundary", s.policy, bounded{
		put: func(arn *string) {
			input := &iam.PutRolePermissionsBoundaryInput{RoleName: web, PermissionsBoundary: arn}
			must(s.client.PutRolePermissionsBoundary(ctx, input))
		},
		read: func() *types.AttachedPermissionsBoundary { return s.role(ctx, "web").PermissionsBoundary },
		remove: func() {
			input := &iam.DeleteRolePermissionsBoundaryInput{RoleName: web}
			must(s.client.DeleteRolePermissionsBoundary(ctx, input))
		},
	})
}

func (s *iamSteps) rolePolicies(ctx context.Context) {
	web := aws.String("web")
	inline := &iam.ListRolePoliciesInput{RoleName: web, MaxItems: aws.Int32(1)}
	inlinePolicySteps("role-policy", inlinePolicies{
		put: func(name, document *string) {
			must(s.client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
				RoleName: web, PolicyName: name, PolicyDocument: document,
			}))
		},
		get: func(name *string) (*string, error) {
			read, err := s.client.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: web, PolicyName: name})
			if err != nil {
				return nil, err
			}
			return read.PolicyDocument, nil
		},
		list: func() []string {
			return must(s.client.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: web})).PolicyNames
		},
		pages: func() []string {
			return listed(ctx, iam.NewListRolePoliciesPaginator(s.client, inline),
				func(page *iam.ListRolePoliciesOutput) []string { return page.PolicyNames })
		},
		remove: func(name *string) {
			must(s.client.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: web, PolicyName: name}))
		},
	})
	attached := &iam.ListAttachedRolePoliciesInput{RoleName: web, MaxItems: aws.Int32(1)}
	attachmentSteps("role-attachment", attachments{
		attach: func(arn *string) {
			must(s.client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: web, PolicyArn: arn}))
		},
		list: func() []types.AttachedPolicy {
			input := &iam.ListAttachedRolePoliciesInput{RoleName: web}
			return must(s.client.ListAttachedRolePolicies(ctx, input)).AttachedPolicies
		},
		pages: func() []types.AttachedPolicy {
			return listed(ctx, iam.NewListAttachedRolePoliciesPaginator(s.client, attached),
				func(page *iam.ListAttachedRolePoliciesOutput) []types.AttachedPolicy { return page.AttachedPolicies })
		},
		detach: func(arn *string) {
			must(s.client.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: web, PolicyArn: arn}))
		},
	}, "arn:aws:iam::aws:policy/IAMReadOnlyAccess", s.policy)
	must(s.client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: web, PolicyArn: &s.policy}))
	entities := must(s.client.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: &s.policy}))
	roles := mapped(entities.PolicyRoles, func(one types.PolicyRole) string { return *one.RoleName })
	equal("who has a policy", roles, []string{"web"})
	equal("no user has it", len(entities.PolicyUsers), 0)
	did("iam", "policy-entities", "list")
	must(s.client.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: web, PolicyArn: &s.policy}))
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
