package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
)

type stsSteps struct {
	client  *sts.Client
	cfg     aws.Config
	account string
}

func runSTS(ctx context.Context, cfg aws.Config) {
	s := &stsSteps{client: sts.NewFromConfig(cfg), cfg: cfg}
	identity := must(s.client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))
	s.account = *identity.Account
	equal("who I am", *identity.Arn, fmt.Sprintf("arn:aws:iam::%s:user/admin", s.account))
	did("sts", "caller-identity", "read")
	keys := must(cfg.Credentials.Retrieve(ctx))
	info := must(s.client.GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: &keys.AccessKeyID}))
	equal("whose key it is", *info.Account, s.account)
	did("sts", "access-key-info", "read")
	s.userSession(ctx)
	s.roleSession(ctx)
	s.webIdentitySession(ctx)
}

// caller is who those credentials say that they are.
func (s *stsSteps) caller(ctx context.Context, issued *types.Credentials) string {
	cfg := s.cfg.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(
		*issued.AccessKeyId, *issued.SecretAccessKey, *issued.SessionToken)
	return *must(sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})).Arn
}

func (s *stsSteps) userSession(ctx context.Context) {
	issued := must(s.client.GetSessionToken(ctx, &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(900)}))
	equal("a user's session", s.caller(ctx, issued.Credentials), fmt.Sprintf("arn:aws:iam::%s:user/admin", s.account))
	did("sts", "user-session", "create")
}

func (s *stsSteps) createRole(ctx context.Context, name, principal, action, condition string) *string {
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":%s,"Action":%q,"Condition":%s}]}`,
		principal, action, condition)
	return must(iam.NewFromConfig(s.cfg).CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: &trust,
	})).Role.Arn
}

func (s *stsSteps) roleSession(ctx context.Context) {
	role := s.createRole(ctx, "reader", fmt.Sprintf(`{"AWS":%q}`, s.account), "sts:AssumeRole",
		`{"StringEquals":{"sts:ExternalId":"the-id"}}`)
	input := &sts.AssumeRoleInput{RoleArn: role, RoleSessionName: aws.String("go")}
	refused(s.client.AssumeRole(ctx, input))("AccessDenied")
	input.ExternalId = aws.String("the-id")
	issued := must(s.client.AssumeRole(ctx, input))
	wanted := fmt.Sprintf("arn:aws:sts::%s:assumed-role/reader/go", s.account)
	equal("the session's ARN", *issued.AssumedRoleUser.Arn, wanted)
	equal("a role's session", s.caller(ctx, issued.Credentials), wanted)
	did("sts", "role-session", "create")
}

func (s *stsSteps) webIdentitySession(ctx context.Context) {
	const audience = "sts.amazonaws.com"
	clusters := eks.NewFromConfig(s.cfg)
	name := must(clusters.ListClusters(ctx, &eks.ListClustersInput{})).Clusters[0]
	cluster := must(clusters.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})).Cluster
	issuer := *cluster.Identity.Oidc.Issuer
	provider := must(iam.NewFromConfig(s.cfg).CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: &issuer, ClientIDList: []string{audience},
	})).OpenIDConnectProviderArn
	subject := "system:serviceaccount:default:go"
	host := strings.TrimPrefix(issuer, "https://")
	role := s.createRole(ctx, "pod", fmt.Sprintf(`{"Federated":%q}`, *provider), "sts:AssumeRoleWithWebIdentity",
		fmt.Sprintf(`{"StringEquals":{"%s:aud":%q,"%s:sub":%q}}`, host, audience, host, subject))
	token := openKubernetes().serviceAccountToken(ctx, "go", audience)
	cfg := s.cfg.Copy()
	cfg.Credentials = aws.AnonymousCredentials{}
	issued := must(sts.NewFromConfig(cfg).AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: role, RoleSessionName: aws.String("go"), WebIdentityToken: &token,
	}))
	equal("the token's subject", *issued.SubjectFromWebIdentityToken, subject)
	equal("the token's audience", *issued.Audience, audience)
	equal("a pod's session", s.caller(ctx, issued.Credentials), fmt.Sprintf("arn:aws:sts::%s:assumed-role/pod/go", s.account))
	did("sts", "web-identity-session", "create")
}
