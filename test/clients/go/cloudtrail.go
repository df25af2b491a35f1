package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func runCloudTrail(ctx context.Context, cfg aws.Config) {
	client := cloudtrail.NewFromConfig(cfg)
	nobody := &iam.GetRoleInput{RoleName: aws.String("nobody-there")}
	for range 2 {
		refused(iam.NewFromConfig(cfg).GetRole(ctx, nobody))("NoSuchEntity")
	}
	input := &cloudtrail.LookupEventsInput{LookupAttributes: []types.LookupAttribute{{
		AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: aws.String("GetRole"),
	}}}
	events := must(client.LookupEvents(ctx, input)).Events
	var record struct{ EventSource, ErrorCode string }
	must(0, json.Unmarshal([]byte(*events[0].CloudTrailEvent), &record))
	equal("whose event it is", record.EventSource, "iam.amazonaws.com")
	equal("what came of it", strings.HasPrefix(record.ErrorCode, "NoSuchEntity"), true)
	equal("who it was", *events[0].Username, "admin")
	did("cloudtrail", "event", "list")
	idsOf := func(events []types.Event) []string {
		return mapped(events, func(one types.Event) string { return *one.EventId })
	}
	input.MaxResults = aws.Int32(1)
	pages := listed(ctx, cloudtrail.NewLookupEventsPaginator(client, input),
		func(page *cloudtrail.LookupEventsOutput) []types.Event { return page.Events })
	equal("events by pages", idsOf(pages), idsOf(events))
	did("cloudtrail", "event", "pages")
}
