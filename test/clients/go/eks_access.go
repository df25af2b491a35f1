package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

func (s *eksSteps) associations(ctx context.Context) {
	first := s.role(ctx, "pods-first", "pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")
	second := s.role(ctx, "pods-second", "pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")
	var ids []string
	for _, account := range []string{"api", "web"} {
		made := must(s.client.CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{
			ClusterName: s.cluster, Namespace: aws.String("shop"), ServiceAccount: &account, RoleArn: first,
		})).Association
		ids = append(ids, *made.AssociationId)
	}
	did("eks", "pod-identity-association", "create")
	read := &eks.DescribePodIdentityAssociationInput{ClusterName: s.cluster, AssociationId: &ids[0]}
	roleOf := func() string {
		return *must(s.client.DescribePodIdentityAssociation(ctx, read)).Association.RoleArn
	}
	equal("an association's role", roleOf(), *first)
	did("eks", "pod-identity-association", "read")
	accountsOf := func(associations []types.PodIdentityAssociationSummary) []string {
		return mapped(associations, func(one types.PodIdentityAssociationSummary) string { return *one.ServiceAccount })
	}
	input := &eks.ListPodIdentityAssociationsInput{ClusterName: s.cluster, Namespace: aws.String("shop")}
	found := accountsOf(must(s.client.ListPodIdentityAssociations(ctx, input)).Associations)
	contains("associations", found, "api", "web")
	did("eks", "pod-identity-association", "list")
	input.MaxResults = aws.Int32(1)
	pages := listed(ctx, eks.NewListPodIdentityAssociationsPaginator(s.client, input),
		func(page *eks.ListPodIdentityAssociationsOutput) []types.PodIdentityAssociationSummary {
			return page.Associations
		})
	equal("associations by pages", accountsOf(pages), found)
	did("eks", "pod-identity-association", "pages")
	must(s.client.UpdatePodIdentityAssociation(ctx, &eks.UpdatePodIdentityAssociationInput{
		ClusterName: s.cluster, AssociationId: &ids[0], RoleArn: second,
	}))
	equal("an association's new role", roleOf(), *second)
	did("eks", "pod-identity-association", "update")
	for _, id := range ids {
		must(s.client.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{
			ClusterName: s.cluster, AssociationId: &id,
		}))
	}
	refused(s.client.DescribePodIdentityAssociation(ctx, read))("ResourceNotFoundException")
	did("eks", "pod-identity-association", "delete")
}

func (s *eksSteps) accessEntries(ctx context.Context) {
	people, nodes := s.role(ctx, "people", "ec2.amazonaws.com"), s.role(ctx, "nodes", "ec2.amazonaws.com")
	made := must(s.client.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{
		ClusterName: s.cluster, PrincipalArn: people, KubernetesGroups: []string{"readers"},
	})).AccessEntry
	equal("an entry's type", aws.ToString(made.Type), "STANDARD")
	must(s.client.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{
		ClusterName: s.cluster, PrincipalArn: nodes, Type: aws.String("EC2_LINUX"),
	}))
	did("eks", "access-entry", "create")
	read := &eks.DescribeAccessEntryInput{ClusterName: s.cluster, PrincipalArn: people}
	groups := func() []string { return must(s.client.DescribeAccessEntry(ctx, read)).AccessEntry.KubernetesGroups }
	equal("an entry's groups", groups(), []string{"readers"})
	did("eks", "access-entry", "read")
	input := &eks.ListAccessEntriesInput{ClusterName: s.cluster}
	found := must(s.client.ListAccessEntries(ctx, input)).AccessEntries
	contains("entries", found, *people, *nodes)
	did("eks", "access-entry", "list")
	input.MaxResults = aws.Int32(1)
	pages := listed(ctx, eks.NewListAccessEntriesPaginator(s.client, input),
		func(page *eks.ListAccessEntriesOutput) []string { return page.AccessEntries })
	equal("entries by pages", pages, found)
	did("eks", "access-entry", "pages")
	must(s.client.UpdateAccessEntry(ctx, &eks.UpdateAccessEntryInput{
		ClusterName: s.cluster, PrincipalArn: people, KubernetesGroups: []string{"writers"},
	}))
	equal("an entry's new groups", groups(), []string{"writers"})
	did("eks", "access-entry", "update")
	s.accessPolicies(ctx, people)
	for _, principal := range []*string{people, nodes} {
		must(s.client.DeleteAccessEntry(ctx, &eks.DeleteAccessEntryInput{ClusterName: s.cluster, PrincipalArn: principal}))
	}
	refused(s.client.DescribeAccessEntry(ctx, read))("ResourceNotFoundException")
	did("eks", "access-entry", "delete")
}

func (s *eksSteps) accessPolicies(ctx context.Context, principal *string) {
	const view = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
	arnsOf := func(policies []types.AccessPolicy) []string {
		return mapped(policies, func(one types.AccessPolicy) string { return *one.Arn })
	}
	all := arnsOf(must(s.client.ListAccessPolicies(ctx, &eks.ListAccessPoliciesInput{})).AccessPolicies)
	contains("access policies", all, view)
	did("eks", "access-policy", "list")
	pages := listed(ctx,
		eks.NewListAccessPoliciesPaginator(s.client, &eks.ListAccessPoliciesInput{MaxResults: aws.Int32(5)}),
		func(page *eks.ListAccessPoliciesOutput) []types.AccessPolicy { return page.AccessPolicies })
	equal("access policies by pages", arnsOf(pages), all)
	did("eks", "access-policy", "pages")
	must(s.client.AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{
		ClusterName: s.cluster, PrincipalArn: principal, PolicyArn: aws.String(view),
		AccessScope: &types.AccessScope{Type: types.AccessScopeTypeNamespace, Namespaces: []string{"shop"}},
	}))
	did("eks", "access-policy-association", "create")
	associated := func() []types.AssociatedAccessPolicy {
		return must(s.client.ListAssociatedAccessPolicies(ctx, &eks.ListAssociatedAccessPoliciesInput{
			ClusterName: s.cluster, PrincipalArn: principal,
		})).AssociatedAccessPolicies
	}
	one := associated()
	equal("associated policies", len(one), 1)
	equal("which it is", *one[0].PolicyArn, view)
	equal("where it holds", one[0].AccessScope.Namespaces, []string{"shop"})
	did("eks", "access-policy-association", "list")
	must(s.client.DisassociateAccessPolicy(ctx, &eks.DisassociateAccessPolicyInput{
		ClusterName: s.cluster, PrincipalArn: principal, PolicyArn: aws.String(view),
	}))
	equal("none is left", len(associated()), 0)
	did("eks", "access-policy-association", "delete")
}
