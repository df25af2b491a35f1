package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// sandboxConfig reads AWS_ENDPOINT_URL, AWS_REGION and the keys from the environment.
func sandboxConfig(ctx context.Context) (aws.Config, error) {
	return config.LoadDefaultConfig(ctx)
}

// sandboxS3 puts bucket names into paths: on loopback they are no hosts.
func sandboxS3(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(options *s3.Options) {
		options.UsePathStyle = true
	})
}
