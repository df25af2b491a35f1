package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas/types"
)

func runQuotas(ctx context.Context, cfg aws.Config) {
	client := servicequotas.NewFromConfig(cfg)
	iam, providers := aws.String("iam"), aws.String("L-858F3967")
	read := &servicequotas.GetServiceQuotaInput{ServiceCode: iam, QuotaCode: providers}
	quota := must(client.GetServiceQuota(ctx, read)).Quota
	equal("OIDC providers of an account", *quota.Value, 100)
	equal("a quota can be raised", quota.Adjustable, true)
	did("service-quotas", "quota", "read")
	codesOf := func(quotas []types.ServiceQuota) []string {
		return mapped(quotas, func(one types.ServiceQuota) string { return *one.QuotaCode })
	}
	all := codesOf(must(client.ListServiceQuotas(ctx, &servicequotas.ListServiceQuotasInput{ServiceCode: iam})).Quotas)
	contains("IAM's quotas", all, "L-858F3967", "L-FE177D64")
	did("service-quotas", "quota", "list")
	pages := listed(ctx,
		servicequotas.NewListServiceQuotasPaginator(client, &servicequotas.ListServiceQuotasInput{
			ServiceCode: iam, MaxResults: aws.Int32(2),
		}),
		func(page *servicequotas.ListServiceQuotasOutput) []types.ServiceQuota { return page.Quotas })
	equal("quotas by pages", codesOf(pages), all)
	did("service-quotas", "quota", "pages")
	asked := must(client.RequestServiceQuotaIncrease(ctx, &servicequotas.RequestServiceQuotaIncreaseInput{
		ServiceCode: iam, QuotaCode: providers, DesiredValue: aws.Float64(300),
	})).RequestedQuota
	equal("what was asked for", *asked.DesiredValue, 300)
	waitFor("the quota", func() string {
		return fmt.Sprint(*must(client.GetServiceQuota(ctx, read)).Quota.Value)
	}, "300")
	did("service-quotas", "increase", "create")
	unchanged := must(client.GetAWSDefaultServiceQuota(ctx, &servicequotas.GetAWSDefaultServiceQuotaInput{
		ServiceCode: iam, QuotaCode: providers,
	})).Quota
	equal("the default stays", *unchanged.Value, 100)
	did("service-quotas", "default-quota", "read")
}
