"""S3's buckets and what is set of them."""

import json
from functools import partial

from documents import ACCESS_BLOCK, policy, statement

BUCKET = "resources-cli"
OF = {"bucket": BUCKET}


def check(ledger, aws, account):
    did = partial(ledger.did, "s3", "bucket")
    aws("s3api create-bucket", **OF)
    names = [one["Name"] for one in aws("s3api list-buckets")["Buckets"]]
    ledger.equal("buckets", names, [BUCKET])
    did("create", "list")
    head = aws("s3api head-bucket", **OF)
    ledger.equal("a bucket's region", head["BucketRegion"], "us-east-1")
    did("read")
    bucket_policy(ledger, aws, account)
    ownership(ledger, aws)
    public_access(ledger, aws)
    acl = aws("s3api get-bucket-acl", **OF)
    found = [(one["Grantee"]["ID"], one["Permission"]) for one in acl["Grants"]]
    ledger.equal("all control is the owner's", found, [(acl["Owner"]["ID"], "FULL_CONTROL")])
    ledger.did("s3", "acl", "read")


def delete(ledger, aws):
    aws("s3api delete-bucket", **OF)
    aws.refused("NoSuchBucket", "s3api list-objects-v2", **OF)
    ledger.did("s3", "bucket", "delete")


def bucket_policy(ledger, aws, account):
    did = partial(ledger.did, "s3", "bucket-policy")
    who = {"AWS": f"arn:aws:iam::{account}:root"}
    document = policy(statement("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*", Principal=who))
    aws("s3api put-bucket-policy", **OF, policy=document)
    read = json.loads(aws("s3api get-bucket-policy", **OF)["Policy"])
    ledger.equal("a bucket's policy", read, json.loads(document))
    did("create", "read")
    aws("s3api delete-bucket-policy", **OF)
    aws.refused("NoSuchBucketPolicy", "s3api get-bucket-policy", **OF)
    did("delete")


def ownership(ledger, aws):
    did = partial(ledger.did, "s3", "ownership-controls")
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    aws("s3api put-bucket-ownership-controls", **OF, ownership_controls=controls)
    read = aws("s3api get-bucket-ownership-controls", **OF)["OwnershipControls"]
    ledger.equal("whose the objects are", read, controls)
    did("create", "read")
    aws("s3api delete-bucket-ownership-controls", **OF)
    aws.refused("OwnershipControlsNotFoundError", "s3api get-bucket-ownership-controls", **OF)
    did("delete")


def public_access(ledger, aws):
    did = partial(ledger.did, "s3", "public-access-block")
    aws("s3api put-public-access-block", **OF, public_access_block_configuration=ACCESS_BLOCK)
    read = aws("s3api get-public-access-block", **OF)["PublicAccessBlockConfiguration"]
    ledger.equal("what is blocked", read, ACCESS_BLOCK)
    did("create", "read")
    aws("s3api delete-public-access-block", **OF)
    code = "NoSuchPublicAccessBlockConfiguration"
    aws.refused(code, "s3api get-public-access-block", **OF)
    did("delete")
