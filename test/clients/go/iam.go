package main

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

const (
	readPolicy  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`
	writePolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Put*","Resource":"*"}]}`
)

// iamSteps is what the steps on IAM share: they build on what the ones before them left.
type iamSteps struct {
	client *iam.Client
	cfg    aws.Config
	// policy is the ARN of a managed policy of the account's own.
	policy string
}

func runIAM(ctx context.Context, cfg aws.Config) {
	steps := &iamSteps{client: iam.NewFromConfig(cfg), cfg: cfg}
	steps.policies(ctx)
	steps.users(ctx)
	steps.userHolds(ctx)
	steps.userPolicies(ctx)
	steps.accessKeys(ctx)
	steps.groups(ctx)
	steps.groupPolicies(ctx)
	steps.roles(ctx)
	steps.roleHolds(ctx)
	steps.rolePolicies(ctx)
	steps.instanceProfiles(ctx)
	steps.providers(ctx)
	steps.account(ctx)
	steps.ends(ctx)
}

// trustOf lets a service assume a role.
func trustOf(service string, actions ...string) string {
	if len(actions) == 0 {
		actions = []string{"sts:AssumeRole"}
	}
	return asJSON(map[string]any{
		"Version": "2012-10-17",
		"Statement": []any{map[string]any{
			"Effect":    "Allow",
			"Principal": map[string]any{"Service": service},
			"Action":    actions,
		}},
	})
}

func asJSON(value any) string {
	return string(must(json.Marshal(value)))
}

// sameDocument compares a policy as IAM answers it, URL-encoded, with what was written.
func sameDocument(what string, found *string, wanted string) {
	sameJSON(what, must(url.PathUnescape(aws.ToString(found))), wanted)
}

func sameJSON(what, found, wanted string) {
	var foundValue, wantedValue any
	must(0, json.Unmarshal([]byte(found), &foundValue))
	must(0, json.Unmarshal([]byte(wanted), &wantedValue))
	equal(what, foundValue, wantedValue)
}
