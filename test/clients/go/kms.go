package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func runKMS(ctx context.Context, cfg aws.Config) {
	client := kms.NewFromConfig(cfg)
	var ids []string
	for _, spec := range []types.KeySpec{types.KeySpecEccNistP256, types.KeySpecRsa2048} {
		made := must(client.CreateKey(ctx, &kms.CreateKeyInput{
			KeySpec: spec, KeyUsage: types.KeyUsageTypeSignVerify, Description: aws.String("signs"),
		})).KeyMetadata
		equal("a new key's state", made.KeyState, types.KeyStateEnabled)
		ids = append(ids, *made.KeyId)
	}
	did("kms", "key", "create")
	read := func() *types.KeyMetadata {
		return must(client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &ids[0]})).KeyMetadata
	}
	equal("a key's description", *read().Description, "signs")
	did("kms", "key", "read")
	idsOf := func(keys []types.KeyListEntry) []string {
		return mapped(keys, func(one types.KeyListEntry) string { return *one.KeyId })
	}
	all := idsOf(must(client.ListKeys(ctx, &kms.ListKeysInput{})).Keys)
	contains("keys", all, ids...)
	did("kms", "key", "list")
	pages := listed(ctx, kms.NewListKeysPaginator(client, &kms.ListKeysInput{Limit: aws.Int32(1)}),
		func(page *kms.ListKeysOutput) []types.KeyListEntry { return page.Keys })
	equal("keys by pages", idsOf(pages), all)
	did("kms", "key", "pages")
	kmsAliases(ctx, client, ids)
	kmsSignatures(ctx, client, &ids[0])
	kmsPolicy(ctx, client, read())
	must(client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &ids[0]}))
	equal("a disabled key's state", read().KeyState, types.KeyStateDisabled)
	must(client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &ids[0]}))
	equal("an enabled key's state", read().KeyState, types.KeyStateEnabled)
	did("kms", "key", "update")
	must(client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{
		KeyId: &ids[0], PendingWindowInDays: aws.Int32(7),
	}))
	equal("a key that goes", read().KeyState, types.KeyStatePendingDeletion)
	refused(client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &ids[0]}))("KMSInvalidStateException")
	did("kms", "key", "delete")
}

func kmsAliases(ctx context.Context, client *kms.Client, ids []string) {
	targets := func(aliases []types.AliasListEntry) map[string]string {
		found := map[string]string{}
		for _, alias := range aliases {
			found[*alias.AliasName] = *alias.TargetKeyId
		}
		return found
	}
	list := func() map[string]string {
		return targets(must(client.ListAliases(ctx, &kms.ListAliasesInput{})).Aliases)
	}
	for _, name := range []string{"alias/first", "alias/second"} {
		must(client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &ids[0]}))
	}
	both := map[string]string{"alias/first": ids[0], "alias/second": ids[0]}
	equal("aliases", list(), both)
	did("kms", "alias", "create", "list")
	pages := listed(ctx, kms.NewListAliasesPaginator(client, &kms.ListAliasesInput{Limit: aws.Int32(1)}),
		func(page *kms.ListAliasesOutput) []types.AliasListEntry { return page.Aliases })
	equal("aliases by pages", targets(pages), both)
	did("kms", "alias", "pages")
	must(client.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: aws.String("alias/second"), TargetKeyId: &ids[1]}))
	equal("an alias's new key", list()["alias/second"], ids[1])
	did("kms", "alias", "update")
	must(client.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: aws.String("alias/second")}))
	equal("the alias that is left", list(), map[string]string{"alias/first": ids[0]})
	did("kms", "alias", "delete")
}

func kmsSignatures(ctx context.Context, client *kms.Client, id *string) {
	found := must(client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: id}))
	public, known := must(x509.ParsePKIXPublicKey(found.PublicKey)).(*ecdsa.PublicKey)
	equal("an EC key", known, true)
	did("kms", "public-key", "read")
	message := []byte("header.payload")
	digest := sha256.Sum256(message)
	alias, algorithm := aws.String("alias/first"), types.SigningAlgorithmSpecEcdsaSha256
	signature := must(client.Sign(ctx, &kms.SignInput{
		KeyId: alias, Message: digest[:], MessageType: types.MessageTypeDigest, SigningAlgorithm: algorithm,
	})).Signature
	equal("the public key knows the signature", ecdsa.VerifyASN1(public, digest[:], signature), true)
	did("kms", "signature", "create")
	verify := &kms.VerifyInput{KeyId: alias, Message: message, Signature: signature, SigningAlgorithm: algorithm}
	equal("KMS knows it", must(client.Verify(ctx, verify)).SignatureValid, true)
	verify.Message = []byte("other")
	refused(client.Verify(ctx, verify))("KMSInvalidSignatureException")
	did("kms", "signature", "read")
}

func kmsPolicy(ctx context.Context, client *kms.Client, key *types.KeyMetadata) {
	read := func() string {
		return *must(client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: key.KeyId})).Policy
	}
	sameJSON("a new key's policy", read(), keyPolicy(key, "key-default-1", "Enable IAM User Permissions"))
	did("kms", "key-policy", "read")
	own := keyPolicy(key, "own", "Own")
	must(client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: key.KeyId, Policy: &own}))
	sameJSON("a key's new policy", read(), own)
	did("kms", "key-policy", "update")
}

func keyPolicy(key *types.KeyMetadata, id, sid string) string {
	return asJSON(map[string]any{"Version": "2012-10-17", "Id": id, "Statement": []any{map[string]any{
		"Sid":       sid,
		"Effect":    "Allow",
		"Principal": map[string]any{"AWS": fmt.Sprintf("arn:aws:iam::%s:root", *key.AWSAccountId)},
		"Action":    "kms:*",
		"Resource":  "*",
	}}})
}
