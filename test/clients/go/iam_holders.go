package main

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// What users, groups, roles, policies and providers have alike. A resource is called as in the
// table, such as user-tags; pages are nil where the table has none.

type tagged struct {
	tag   func([]types.Tag)
	list  func() []types.Tag
	pages func() []types.Tag
	untag func([]string)
}

func tagSteps(resource string, of tagged) {
	sorted := func(tags []types.Tag) []string {
		texts := mapped(tags, func(one types.Tag) string { return *one.Key + "=" + *one.Value })
		return slices.Sorted(slices.Values(texts))
	}
	both := []string{"stage=test", "team=a"}
	of.tag([]types.Tag{
		{Key: aws.String("team"), Value: aws.String("a")},
		{Key: aws.String("stage"), Value: aws.String("test")},
	})
	equal("two "+resource, sorted(of.list()), both)
	did("iam", resource, "create", "list")
	if of.pages != nil {
		equal("tags by pages", sorted(of.pages()), both)
		did("iam", resource, "pages")
	}
	of.untag([]string{"team"})
	equal("the tags that are left", sorted(of.list()), []string{"stage=test"})
	did("iam", resource, "delete")
}

type inlinePolicies struct {
	put    func(name, document *string)
	get    func(name *string) (document *string, err error)
	list   func() []string
	pages  func() []string
	remove func(name *string)
}

func inlinePolicySteps(resource string, of inlinePolicies) {
	put := func(name, document string) {
		of.put(&name, &document)
		sameDocument(resource, must(of.get(&name)), document)
	}
	both := []string{"p1", "p2"}
	for _, name := range both {
		put(name, readPolicy)
	}
	did("iam", resource, "create", "read")
	equal("inline policies", of.list(), both)
	did("iam", resource, "list")
	if of.pages != nil {
		equal("by pages", of.pages(), both)
		did("iam", resource, "pages")
	}
	put("p1", writePolicy)
	did("iam", resource, "update")
	for _, name := range both {
		of.remove(&name)
	}
	refused(of.get(&both[0]))("NoSuchEntity")
	did("iam", resource, "delete")
}

type attachments struct {
	attach func(arn *string)
	list   func() []types.AttachedPolicy
	pages  func() []types.AttachedPolicy
	detach func(arn *string)
}

func attachmentSteps(resource string, of attachments, arns ...string) {
	slices.Sort(arns)
	sorted := func(policies []types.AttachedPolicy) []string {
		found := mapped(policies, func(one types.AttachedPolicy) string { return *one.PolicyArn })
		return slices.Sorted(slices.Values(found))
	}
	for _, arn := range arns {
		of.attach(&arn)
	}
	equal("attached policies", sorted(of.list()), arns)
	did("iam", resource, "create", "list")
	if of.pages != nil {
		equal("by pages", sorted(of.pages()), arns)
		did("iam", resource, "pages")
	}
	for _, arn := range arns {
		of.detach(&arn)
	}
	equal("attached no more", len(of.list()), 0)
	did("iam", resource, "delete")
}

type bounded struct {
	put    func(arn *string)
	read   func() *types.AttachedPermissionsBoundary
	remove func()
}

func boundarySteps(resource, arn string, of bounded) {
	of.put(&arn)
	equal("a boundary", aws.ToString(of.read().PermissionsBoundaryArn), arn)
	did("iam", resource, "create", "read")
	of.remove()
	equal("no boundary", of.read(), nil)
	did("iam", resource, "delete")
}
