package main

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

func (s *eksSteps) addons(ctx context.Context) {
	names := []string{"coredns", "vpc-cni"}
	for _, name := range names {
		made := must(s.client.CreateAddon(ctx, &eks.CreateAddonInput{ClusterName: s.cluster, AddonName: &name})).Addon
		equal("a new add-on's status", made.Status, types.AddonStatusCreating)
	}
	read := &eks.DescribeAddonInput{ClusterName: s.cluster, AddonName: aws.String("vpc-cni")}
	active := func() {
		must(0, eks.NewAddonActiveWaiter(s.client, func(options *eks.AddonActiveWaiterOptions) {
			options.MinDelay, options.MaxDelay = 200*time.Millisecond, time.Second
		}).Wait(ctx, read, longest))
	}
	active()
	did("eks", "addon", "create")
	addon := must(s.client.DescribeAddon(ctx, read)).Addon
	equal("an add-on's publisher", aws.ToString(addon.Publisher), "eks")
	did("eks", "addon", "read")
	input := &eks.ListAddonsInput{ClusterName: s.cluster}
	equal("add-ons", must(s.client.ListAddons(ctx, input)).Addons, names)
	did("eks", "addon", "list")
	input.MaxResults = aws.Int32(1)
	pages := listed(ctx, eks.NewListAddonsPaginator(s.client, input),
		func(page *eks.ListAddonsOutput) []string { return page.Addons })
	equal("add-ons by pages", pages, names)
	did("eks", "addon", "pages")
	s.addonVersions(ctx, addon)
	values := `{"env":{"ENABLE_PREFIX_DELEGATION":"true"}}`
	update := must(s.client.UpdateAddon(ctx, &eks.UpdateAddonInput{
		ClusterName: s.cluster, AddonName: addon.AddonName, ConfigurationValues: &values,
	})).Update
	equal("an update's type", update.Type, types.UpdateTypeAddonUpdate)
	active()
	sameJSON("an add-on's values", *must(s.client.DescribeAddon(ctx, read)).Addon.ConfigurationValues, values)
	did("eks", "addon", "update")
	for _, name := range names {
		must(s.client.DeleteAddon(ctx, &eks.DeleteAddonInput{ClusterName: s.cluster, AddonName: &name}))
	}
	must(0, eks.NewAddonDeletedWaiter(s.client, func(options *eks.AddonDeletedWaiterOptions) {
		options.MinDelay, options.MaxDelay = 200*time.Millisecond, time.Second
	}).Wait(ctx, read, longest))
	refused(s.client.DescribeAddon(ctx, read))("ResourceNotFoundException")
	did("eks", "addon", "delete")
}

func (s *eksSteps) addonVersions(ctx context.Context, addon *types.Addon) {
	namesOf := func(addons []types.AddonInfo) []string {
		return mapped(addons, func(one types.AddonInfo) string { return *one.AddonName })
	}
	all := namesOf(must(s.client.DescribeAddonVersions(ctx, &eks.DescribeAddonVersionsInput{})).Addons)
	contains("add-ons that there are", all, "coredns", "kube-proxy", "vpc-cni")
	did("eks", "addon-version", "list")
	pages := listed(ctx,
		eks.NewDescribeAddonVersionsPaginator(s.client, &eks.DescribeAddonVersionsInput{MaxResults: aws.Int32(2)}),
		func(page *eks.DescribeAddonVersionsOutput) []types.AddonInfo { return page.Addons })
	equal("by pages", namesOf(pages), all)
	did("eks", "addon-version", "pages")
	shown := must(s.client.DescribeAddonConfiguration(ctx, &eks.DescribeAddonConfigurationInput{
		AddonName: addon.AddonName, AddonVersion: addon.AddonVersion,
	}))
	accounts := mapped(shown.PodIdentityConfiguration,
		func(one types.AddonPodIdentityConfiguration) string { return *one.ServiceAccount })
	equal("an add-on's service accounts", accounts, []string{"aws-node"})
	did("eks", "addon-configuration", "read")
}

func (s *eksSteps) nodegroups(ctx context.Context) {
	role := s.role(ctx, "group-nodes", "ec2.amazonaws.com")
	names := []string{"large", "small"}
	for _, name := range names {
		made := must(s.client.CreateNodegroup(ctx, &eks.CreateNodegroupInput{
			ClusterName: s.cluster, NodegroupName: &name, NodeRole: role, Subnets: []string{"subnet-1"},
		})).Nodegroup
		equal("a new node group's status", made.Status, types.NodegroupStatusCreating)
	}
	read := &eks.DescribeNodegroupInput{ClusterName: s.cluster, NodegroupName: aws.String("small")}
	active := func() {
		must(0, eks.NewNodegroupActiveWaiter(s.client, func(options *eks.NodegroupActiveWaiterOptions) {
			options.MinDelay, options.MaxDelay = 200*time.Millisecond, time.Second
		}).Wait(ctx, read, longest))
	}
	active()
	did("eks", "nodegroup", "create")
	equal("a node group's role", *must(s.client.DescribeNodegroup(ctx, read)).Nodegroup.NodeRole, *role)
	did("eks", "nodegroup", "read")
	input := &eks.ListNodegroupsInput{ClusterName: s.cluster}
	equal("node groups", must(s.client.ListNodegroups(ctx, input)).Nodegroups, names)
	did("eks", "nodegroup", "list")
	input.MaxResults = aws.Int32(1)
	pages := listed(ctx, eks.NewListNodegroupsPaginator(s.client, input),
		func(page *eks.ListNodegroupsOutput) []string { return page.Nodegroups })
	equal("node groups by pages", pages, names)
	did("eks", "nodegroup", "pages")
	sizes := types.NodegroupScalingConfig{MinSize: aws.Int32(1), DesiredSize: aws.Int32(3), MaxSize: aws.Int32(5)}
	must(s.client.UpdateNodegroupConfig(ctx, &eks.UpdateNodegroupConfigInput{
		ClusterName: s.cluster, NodegroupName: aws.String("small"), ScalingConfig: &sizes,
	}))
	active()
	found := *must(s.client.DescribeNodegroup(ctx, read)).Nodegroup.ScalingConfig
	equal("a node group's sizes", asJSON(found), asJSON(sizes))
	did("eks", "nodegroup", "update")
	for _, name := range names {
		must(s.client.DeleteNodegroup(ctx, &eks.DeleteNodegroupInput{ClusterName: s.cluster, NodegroupName: &name}))
	}
	must(0, eks.NewNodegroupDeletedWaiter(s.client, func(options *eks.NodegroupDeletedWaiterOptions) {
		options.MinDelay, options.MaxDelay = 200*time.Millisecond, time.Second
	}).Wait(ctx, read, longest))
	refused(s.client.DescribeNodegroup(ctx, read))("ResourceNotFoundException")
	did("eks", "nodegroup", "delete")
}

func (s *eksSteps) fargateProfiles(ctx context.Context) {
	role := s.role(ctx, "fargate", "eks-fargate-pods.amazonaws.com")
	names := []string{"apps", "jobs"}
	for _, name := range names {
		must(s.client.CreateFargateProfile(ctx, &eks.CreateFargateProfileInput{
			ClusterName: s.cluster, FargateProfileName: &name, PodExecutionRoleArn: role,
			Selectors: []types.FargateProfileSelector{{Namespace: &name}},
		}))
	}
	read := &eks.DescribeFargateProfileInput{ClusterName: s.cluster, FargateProfileName: aws.String("jobs")}
	must(0, eks.NewFargateProfileActiveWaiter(s.client, func(options *eks.FargateProfileActiveWaiterOptions) {
		options.MinDelay, options.MaxDelay = 200*time.Millisecond, time.Second
	}).Wait(ctx, read, longest))
	did("eks", "fargate-profile", "create")
	profile := must(s.client.DescribeFargateProfile(ctx, read)).FargateProfile
	equal("what a profile is for", *profile.Selectors[0].Namespace, "jobs")
	did("eks", "fargate-profile", "read")
	input := &eks.ListFargateProfilesInput{ClusterName: s.cluster}
	equal("profiles", must(s.client.ListFargateProfiles(ctx, input)).FargateProfileNames, names)
	did("eks", "fargate-profile", "list")
	input.MaxResults = aws.Int32(1)
	pages := listed(ctx, eks.NewListFargateProfilesPaginator(s.client, input),
		func(page *eks.ListFargateProfilesOutput) []string { return page.FargateProfileNames })
	equal("profiles by pages", pages, names)
	did("eks", "fargate-profile", "pages")
	must(s.client.DeleteFargateProfile(ctx, &eks.DeleteFargateProfileInput{
		ClusterName: s.cluster, FargateProfileName: aws.String("jobs"),
	}))
	must(0, eks.NewFargateProfileDeletedWaiter(s.client, func(options *eks.FargateProfileDeletedWaiterOptions) {
		options.MinDelay, options.MaxDelay = 200*time.Millisecond, time.Second
	}).Wait(ctx, read, longest))
	refused(s.client.DescribeFargateProfile(ctx, read))("ResourceNotFoundException")
	did("eks", "fargate-profile", "delete")
}
