// What aws-sdk-go-v2 does to every resource of the sandbox's AWS, a line each. Services named as
// arguments are all that it looks at. As `check BUCKET KEY` it is what a pod runs.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

var services = []struct {
	name string
	run  func(context.Context, aws.Config)
}{
	{"iam", runIAM},
	{"sts", runSTS},
	{"eks", runEKS},
	{"ec2", runEC2},
	{"service-quotas", runQuotas},
	{"kms", runKMS},
	{"cloudtrail", runCloudTrail},
	{"s3", runS3},
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if len(os.Args) == 4 && os.Args[1] == "check" {
		podCheck(ctx, os.Args[2], os.Args[3])
		return
	}
	cfg := must(sandboxConfig(ctx))
	cfg.RetryMaxAttempts = 1
	cfg.Logger = sdkLogger{}
	cfg.ClientLogMode = aws.LogRetries | aws.LogDeprecatedUsage
	only := os.Args[1:]
	for _, service := range services {
		if len(only) == 0 || slices.Contains(only, service.name) {
			service.run(ctx, cfg)
		}
	}
	fmt.Printf("%d things done, %d checks held\n", len(done), held)
}
