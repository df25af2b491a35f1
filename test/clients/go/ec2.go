package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// runEC2 looks at the sandbox's nodes: six, since a page holds five at least.
func runEC2(ctx context.Context, cfg aws.Config) {
	client := ec2.NewFromConfig(cfg)
	regions := must(client.DescribeRegions(ctx, &ec2.DescribeRegionsInput{})).Regions
	names := mapped(regions, func(one types.Region) string { return *one.RegionName })
	contains("regions", names, cfg.Region, "eu-west-1")
	did("ec2", "region", "list")
	idsOf := func(reservations []types.Reservation) []string {
		var ids []string
		for _, reservation := range reservations {
			for _, instance := range reservation.Instances {
				equal("an instance's state", instance.State.Name, types.InstanceStateNameRunning)
				equal("its metadata service", instance.MetadataOptions.HttpTokens, types.HttpTokensStateRequired)
				ids = append(ids, *instance.InstanceId)
			}
		}
		return ids
	}
	filter := types.Filter{Name: aws.String("tag:eks:cluster-name"), Values: []string{"sandbox"}}
	input := &ec2.DescribeInstancesInput{Filters: []types.Filter{filter}}
	all := idsOf(must(client.DescribeInstances(ctx, input)).Reservations)
	equal("instances", len(all), 6)
	did("ec2", "instance", "list")
	input.MaxResults = aws.Int32(5)
	pages := listed(ctx, ec2.NewDescribeInstancesPaginator(client, input),
		func(page *ec2.DescribeInstancesOutput) []types.Reservation { return page.Reservations })
	equal("instances by pages", idsOf(pages), all)
	did("ec2", "instance", "pages")
}
