package main

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// longest is how long a waiter waits.
const longest = 30 * time.Second

type eksSteps struct {
	client *eks.Client
	cfg    aws.Config
	// cluster is the sandbox's own.
	cluster *string
}

func runEKS(ctx context.Context, cfg aws.Config) {
	s := &eksSteps{client: eks.NewFromConfig(cfg), cfg: cfg}
	s.cluster = aws.String(must(s.client.ListClusters(ctx, &eks.ListClustersInput{})).Clusters[0])
	s.clusters(ctx)
	s.registrations(ctx)
	s.associations(ctx)
	s.accessEntries(ctx)
	s.addons(ctx)
	s.nodegroups(ctx)
	s.fargateProfiles(ctx)
}

// role makes one that a service may assume.
func (s *eksSteps) role(ctx context.Context, name, service string, actions ...string) *string {
	return must(iam.NewFromConfig(s.cfg).CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: aws.String(trustOf(service, actions...)),
	})).Role.Arn
}

func (s *eksSteps) clusters(ctx context.Context) {
	name := aws.String("green")
	input := &eks.DescribeClusterInput{Name: name}
	describe := func() *types.Cluster { return must(s.client.DescribeCluster(ctx, input)).Cluster }
	made := must(s.client.CreateCluster(ctx, &eks.CreateClusterInput{
		Name: name, RoleArn: s.role(ctx, "cluster", "eks.amazonaws.com"),
		ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{"subnet-1", "subnet-2"}},
	})).Cluster
	equal("a new cluster's status", made.Status, types.ClusterStatusCreating)
	must(0, eks.NewClusterActiveWaiter(s.client, func(options *eks.ClusterActiveWaiterOptions) {
		options.MinDelay, options.MaxDelay = 200*time.Millisecond, time.Second
	}).Wait(ctx, input, longest))
	did("eks", "cluster", "create")
	equal("a cluster's subnets", describe().ResourcesVpcConfig.SubnetIds, []string{"subnet-1", "subnet-2"})
	equal("a cluster has an issuer", *describe().Identity.Oidc.Issuer != "", true)
	did("eks", "cluster", "read")
	both := []string{"green", *s.cluster}
	equal("clusters", must(s.client.ListClusters(ctx, &eks.ListClustersInput{})).Clusters, both)
	did("eks", "cluster", "list")
	pages := listed(ctx, eks.NewListClustersPaginator(s.client, &eks.ListClustersInput{MaxResults: aws.Int32(1)}),
		func(page *eks.ListClustersOutput) []string { return page.Clusters })
	equal("clusters by pages", pages, both)
	did("eks", "cluster", "pages")
	s.clusterTags(ctx, made.Arn)
	s.clusterUpdate(ctx, name)
	must(s.client.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: name}))
	must(0, eks.NewClusterDeletedWaiter(s.client, func(options *eks.ClusterDeletedWaiterOptions) {
		options.MinDelay, options.MaxDelay = 200*time.Millisecond, time.Second
	}).Wait(ctx, input, longest))
	refused(s.client.DescribeCluster(ctx, input))("ResourceNotFoundException")
	did("eks", "cluster", "delete")
}

func (s *eksSteps) clusterTags(ctx context.Context, arn *string) {
	found := func() map[string]string {
		return must(s.client.ListTagsForResource(ctx, &eks.ListTagsForResourceInput{ResourceArn: arn})).Tags
	}
	both := map[string]string{"team": "a", "stage": "test"}
	must(s.client.TagResource(ctx, &eks.TagResourceInput{ResourceArn: arn, Tags: both}))
	equal("a cluster's tags", found(), both)
	did("eks", "cluster-tags", "create", "list")
	must(s.client.UntagResource(ctx, &eks.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"team"}}))
	equal("the tags that are left", found(), map[string]string{"stage": "test"})
	did("eks", "cluster-tags", "delete")
}

func (s *eksSteps) clusterUpdate(ctx context.Context, name *string) {
	logging := types.LogSetup{Enabled: aws.Bool(true), Types: []types.LogType{types.LogTypeAudit}}
	started := must(s.client.UpdateClusterConfig(ctx, &eks.UpdateClusterConfigInput{
		Name: name, Logging: &types.Logging{ClusterLogging: []types.LogSetup{logging}},
	})).Update
	equal("an update's type", started.Type, types.UpdateTypeLoggingUpdate)
	waitFor("an update's end", func() string {
		read := must(s.client.DescribeUpdate(ctx, &eks.DescribeUpdateInput{Name: name, UpdateId: started.Id}))
		return string(read.Update.Status)
	}, string(types.UpdateStatusSuccessful))
	did("eks", "update", "read")
	updates := must(s.client.ListUpdates(ctx, &eks.ListUpdatesInput{Name: name})).UpdateIds
	equal("a cluster's updates", updates, []string{*started.Id})
	did("eks", "update", "list")
	cluster := must(s.client.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: name})).Cluster
	equal("what a cluster logs", cluster.Logging.ClusterLogging[0].Types, []types.LogType{types.LogTypeAudit})
	did("eks", "cluster", "update")
}

func (s *eksSteps) registrations(ctx context.Context) {
	name := aws.String("elsewhere")
	made := must(s.client.RegisterCluster(ctx, &eks.RegisterClusterInput{
		Name: name, ConnectorConfig: &types.ConnectorConfigRequest{
			Provider: types.ConnectorConfigProviderOpenshift,
			RoleArn:  s.role(ctx, "connector", "ssm.amazonaws.com"),
		},
	})).Cluster
	equal("a registered cluster's status", made.Status, types.ClusterStatusPending)
	read := must(s.client.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: name})).Cluster
	equal("what it runs on", aws.ToString(read.ConnectorConfig.Provider), "OPENSHIFT")
	did("eks", "registration", "create")
	must(s.client.DeregisterCluster(ctx, &eks.DeregisterClusterInput{Name: name}))
	refused(s.client.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: name}))("ResourceNotFoundException")
	did("eks", "registration", "delete")
}
