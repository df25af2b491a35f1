package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func (s *iamSteps) groups(ctx context.Context) {
	for _, name := range []string{"devs", "ops"} {
		made := must(s.client.CreateGroup(ctx, &iam.CreateGroupInput{
			GroupName: &name, Path: aws.String("/teams/"),
		})).Group
		equal("a group's path", aws.ToString(made.Path), "/teams/")
	}
	did("iam", "group", "create")
	read := must(s.client.GetGroup(ctx, &iam.GetGroupInput{GroupName: aws.String("devs")}))
	equal("a group's name", aws.ToString(read.Group.GroupName), "devs")
	did("iam", "group", "read")
	namesOf := func(groups []types.Group) []string {
		return mapped(groups, func(one types.Group) string { return *one.GroupName })
	}
	input := &iam.ListGroupsInput{PathPrefix: aws.String("/teams/")}
	equal("groups", namesOf(must(s.client.ListGroups(ctx, input)).Groups), []string{"devs", "ops"})
	did("iam", "group", "list")
	input.MaxItems = aws.Int32(1)
	pages := listed(ctx, iam.NewListGroupsPaginator(s.client, input),
		func(page *iam.ListGroupsOutput) []types.Group { return page.Groups })
	equal("groups by pages", namesOf(pages), []string{"devs", "ops"})
	did("iam", "group", "pages")
	must(s.client.UpdateGroup(ctx, &iam.UpdateGroupInput{
		GroupName: aws.String("ops"), NewGroupName: aws.String("crew"),
	}))
	read = must(s.client.GetGroup(ctx, &iam.GetGroupInput{GroupName: aws.String("crew")}))
	equal("a renamed group", aws.ToString(read.Group.Path), "/teams/")
	refused(s.client.GetGroup(ctx, &iam.GetGroupInput{GroupName: aws.String("ops")}))("NoSuchEntity")
	did("iam", "group", "update")
	must(s.client.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: aws.String("crew")}))
	refused(s.client.GetGroup(ctx, &iam.GetGroupInput{GroupName: aws.String("crew")}))("NoSuchEntity")
	did("iam", "group", "delete")
	s.groupMembers(ctx)
}

func (s *iamSteps) groupMembers(ctx context.Context) {
	devs, ann := aws.String("devs"), aws.String("ann")
	members := func() []string {
		found := must(s.client.GetGroup(ctx, &iam.GetGroupInput{GroupName: devs}))
		return mapped(found.Users, func(one types.User) string { return *one.UserName })
	}
	must(s.client.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: devs, UserName: ann}))
	equal("a group's members", members(), []string{"ann"})
	did("iam", "group-member", "create")
	of := must(s.client.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: ann})).Groups
	names := mapped(of, func(one types.Group) string { return *one.GroupName })
	equal("a user's groups", names, []string{"devs"})
	did("iam", "group-member", "list")
	must(s.client.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: devs, UserName: ann}))
	equal("no member is left", members(), []string{})
	did("iam", "group-member", "delete")
}

func (s *iamSteps) groupPolicies(ctx context.Context) {
	devs := aws.String("devs")
	inlinePolicySteps("group-policy", inlinePolicies{
		put: func(name, document *string) {
			must(s.client.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{
				GroupName: devs, PolicyName: name, PolicyDocument: document,
			}))
		},
		get: func(name *string) (*string, error) {
			read, err := s.client.GetGroupPolicy(ctx, &iam.GetGroupPolicyInput{GroupName: devs, PolicyName: name})
			if err != nil {
				return nil, err
			}
			return read.PolicyDocument, nil
		},
		list: func() []string {
			return must(s.client.ListGroupPolicies(ctx, &iam.ListGroupPoliciesInput{GroupName: devs})).PolicyNames
		},
		remove: func(name *string) {
			must(s.client.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: devs, PolicyName: name}))
		},
	})
	attachmentSteps("group-attachment", attachments{
		attach: func(arn *string) {
			must(s.client.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: devs, PolicyArn: arn}))
		},
		list: func() []types.AttachedPolicy {
			input := &iam.ListAttachedGroupPoliciesInput{GroupName: devs}
			return must(s.client.ListAttachedGroupPolicies(ctx, input)).AttachedPolicies
		},
		detach: func(arn *string) {
			must(s.client.DetachGroupPolicy(ctx, &iam.DetachGroupPolicyInput{GroupName: devs, PolicyArn: arn}))
		},
	}, s.policy)
}
