package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// outcome is the line that src/cli/demo/pod-program.ts prints too.
type outcome struct {
	OK      bool   `json:"ok"`
	Arn     string `json:"arn,omitempty"`
	Content string `json:"content,omitempty"`
	Error   string `json:"error,omitempty"`
	Message string `json:"message,omitempty"`
}

// podCheck is what a pod does: GetCallerIdentity and GetObject by the default chain.
func podCheck(ctx context.Context, bucket, key string) {
	found, err := read(ctx, bucket, key)
	if err != nil {
		found = outcome{Error: "Error", Message: err.Error()}
		var apiError smithy.APIError
		if errors.As(err, &apiError) {
			found.Error = apiError.ErrorCode()
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(found)
	if !found.OK {
		os.Exit(1)
	}
}

func read(ctx context.Context, bucket, key string) (outcome, error) {
	cfg, err := sandboxConfig(ctx)
	if err != nil {
		return outcome{}, err
	}
	identity, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return outcome{}, err
	}
	object, err := sandboxS3(cfg).GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return outcome{}, err
	}
	defer object.Body.Close()
	content, err := io.ReadAll(object.Body)
	return outcome{OK: true, Arn: *identity.Arn, Content: string(content)}, err
}
