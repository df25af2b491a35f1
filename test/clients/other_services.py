"""KMS, Service Quotas, CloudTrail and EC2 as boto3 asks them."""

import hashlib

import boto3
from botocore.exceptions import ClientError
from checks import NO_RETRIES, Checks


def client(name, **arguments):
    return boto3.client(name, config=NO_RETRIES, **arguments)


def keys(checks):
    kms = client("kms")
    made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", Description="signer")
    key = made["KeyMetadata"]["KeyId"]
    kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    pages = kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 1})
    found = [one["KeyId"] for page in pages for one in page["Keys"]]
    checks.check("keys are listed by pages", key in found and len(found) == 2, found)
    kms.create_alias(AliasName="alias/signer", TargetKeyId=key)
    how = {"KeyId": "alias/signer", "SigningAlgorithm": "ECDSA_SHA_256"}
    message = b"header.payload"
    digest = hashlib.sha256(message).digest()
    signature = kms.sign(**how, Message=digest, MessageType="DIGEST")["Signature"]
    verified = kms.verify(**how, Message=message, MessageType="RAW", Signature=signature)
    checks.equal("a digest's signature is the message's", verified["SignatureValid"], True)
    checks.refused(
        "another message",
        "KMSInvalidSignatureException",
        lambda: kms.verify(**how, Message=b"other", Signature=signature),
        400,
    )
    public = kms.get_public_key(KeyId=key)
    checks.equal("the public key is told", public["KeySpec"], "ECC_NIST_P256")
    aliases = [one["AliasName"] for one in kms.list_aliases(KeyId=key)["Aliases"]]
    checks.equal("aliases are listed", aliases, ["alias/signer"])
    kms.delete_alias(AliasName="alias/signer")
    state = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)["KeyState"]
    checks.equal("a key is to be deleted", state, "PendingDeletion")
    checks.refused(
        "a key that is to be deleted",
        "KMSInvalidStateException",
        lambda: kms.get_public_key(KeyId=key),
        400,
    )


def quotas(checks):
    quotas = client("service-quotas", region_name="us-east-1")
    pages = quotas.get_paginator("list_service_quotas").paginate(
        ServiceCode="iam", PaginationConfig={"PageSize": 1}
    )
    found = {one["QuotaCode"]: one["Value"] for page in pages for one in page["Quotas"]}
    checks.equal("the quota of OIDC providers", found.get("L-858F3967"), 100)
    ask = {"ServiceCode": "iam", "QuotaCode": "L-858F3967"}
    quotas.request_service_quota_increase(**ask, DesiredValue=300)
    value = quotas.get_service_quota(**ask)["Quota"]["Value"]
    checks.equal("an increase holds at once", value, 300)
    default = quotas.get_aws_default_service_quota(**ask)["Quota"]["Value"]
    checks.equal("the default stays", default, 100)
    checks.refused(
        "an unknown quota",
        "NoSuchResourceException",
        lambda: quotas.get_service_quota(ServiceCode="iam", QuotaCode="L-00000000"),
        400,
    )


def trail(checks):
    try:
        client("iam").get_role(RoleName="nobody-there")
    except ClientError:
        pass
    trail = client("cloudtrail")
    attribute = {"AttributeKey": "EventName", "AttributeValue": "GetRole"}
    events = trail.lookup_events(LookupAttributes=[attribute])["Events"]
    checks.check("what was asked is on record", len(events) >= 1, events)
    checks.check("with what came of it", "NoSuchEntity" in events[0]["CloudTrailEvent"], events[0])
    pages = trail.get_paginator("lookup_events").paginate(PaginationConfig={"PageSize": 5})
    times = [one["EventTime"] for page in pages for one in page["Events"]]
    checks.equal("the newest first", times, sorted(times, reverse=True))


def instances(checks):
    ec2 = client("ec2")
    regions = [one["RegionName"] for one in ec2.describe_regions()["Regions"]]
    checks.check("regions are listed", ec2.meta.region_name in regions, regions)
    pages = ec2.get_paginator("describe_instances").paginate()
    found = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
    checks.check("the nodes are instances", len(found) >= 1, found)
    tokens = {one["MetadataOptions"]["HttpTokens"] for one in found}
    checks.equal("with the metadata service's version 2", tokens, {"required"})
    checks.refused(
        "an unknown instance",
        "InvalidInstanceID.NotFound",
        lambda: ec2.describe_instances(InstanceIds=["i-00000000000000000"]),
        400,
    )


def main():
    checks = Checks()
    keys(checks)
    quotas(checks)
    trail(checks)
    instances(checks)
    checks.finish()


main()
