"""S3's buckets and what is set of them."""

import json
from functools import partial

from documents import ACCESS_BLOCK, policy, statement

BUCKET = "resources-boto3"


def check(ledger, aws):
    s3 = aws.client("s3")
    did = partial(ledger.did, "s3", "bucket")
    s3.create_bucket(Bucket=BUCKET)
    # What S3 does in us-east-1 alone; elsewhere it is BucketAlreadyOwnedByYou.
    ledger.allowed("a bucket twice", lambda: s3.create_bucket(Bucket=BUCKET))
    did("create")
    names = [one["Name"] for one in s3.list_buckets()["Buckets"]]
    ledger.equal("buckets", names, [BUCKET])
    did("list")
    ledger.equal("a bucket's region", s3.head_bucket(Bucket=BUCKET)["BucketRegion"], aws.region)
    location = s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"]
    ledger.equal("its location", location or "us-east-1", aws.region)
    did("read")
    bucket_policy(ledger, s3, aws.account)
    public_access(ledger, s3)
    acls(ledger, s3)
    ownership(ledger, s3)


def delete(ledger, aws):
    s3 = aws.client("s3")
    s3.put_object(Bucket=BUCKET, Key="last", Body=b"")
    ledger.refused(
        "a bucket with an object", "BucketNotEmpty", lambda: s3.delete_bucket(Bucket=BUCKET), 409
    )
    s3.delete_object(Bucket=BUCKET, Key="last")
    s3.delete_bucket(Bucket=BUCKET)
    ledger.refused("no bucket", "NoSuchBucket", lambda: s3.list_objects_v2(Bucket=BUCKET), 404)
    ledger.refused("no head of it", "404", lambda: s3.head_bucket(Bucket=BUCKET), 404)
    ledger.did("s3", "bucket", "delete")


def bucket_policy(ledger, s3, account):
    did = partial(ledger.did, "s3", "bucket-policy")
    who = {"AWS": f"arn:aws:iam::{account}:root"}
    resource = f"arn:aws:s3:::{BUCKET}/*"
    document = policy(statement("s3:GetObject", resource, Principal=who))

    def read():
        return json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])

    ledger.refused("no policy yet", "NoSuchBucketPolicy", read, 404)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=document)
    ledger.equal("a bucket's policy", read(), json.loads(document))
    did("create", "read")
    everybody = policy(statement("s3:GetObject", resource, Principal="*"))
    ledger.refused(
        "a public policy while they are blocked",
        "AccessDenied",
        lambda: s3.put_bucket_policy(Bucket=BUCKET, Policy=everybody),
        403,
    )
    s3.delete_bucket_policy(Bucket=BUCKET)
    ledger.refused("no policy any more", "NoSuchBucketPolicy", read, 404)
    did("delete")


def acls(ledger, s3):
    """Those of a bucket whose owner owns all its objects, as new ones are."""
    acl = s3.get_bucket_acl(Bucket=BUCKET)
    owner = acl["Owner"]["ID"]
    found = [(one["Grantee"].get("ID"), one["Permission"]) for one in acl["Grants"]]
    ledger.equal("all control is the owner's", found, [(owner, "FULL_CONTROL")])
    ledger.did("s3", "acl", "read")
    at = {"Bucket": BUCKET, "Key": "mine"}
    s3.put_object(**at, Body=b"")
    for name, put in (
        ("an ACL of the bucket", lambda: s3.put_bucket_acl(Bucket=BUCKET, ACL="public-read")),
        ("an ACL of an object", lambda: s3.put_object_acl(**at, ACL="public-read")),
    ):
        ledger.refused(name, "AccessControlListNotSupported", put, 400)
    s3.delete_object(**at)


def ownership(ledger, s3):
    did = partial(ledger.did, "s3", "ownership-controls")

    def read():
        controls = s3.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]
        return [one["ObjectOwnership"] for one in controls["Rules"]]

    rules = [{"ObjectOwnership": "BucketOwnerPreferred"}]
    s3.put_bucket_ownership_controls(Bucket=BUCKET, OwnershipControls={"Rules": rules})
    ledger.equal("whose the objects are", read(), ["BucketOwnerPreferred"])
    did("create", "read")
    s3.delete_bucket_ownership_controls(Bucket=BUCKET)
    ledger.refused("not said any more", "OwnershipControlsNotFoundError", read, 404)
    did("delete")


def public_access(ledger, s3):
    did = partial(ledger.did, "s3", "public-access-block")

    def read():
        return s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]

    ledger.equal("a new bucket blocks all", set(read().values()), {True})
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=ACCESS_BLOCK)
    ledger.equal("what is blocked", read(), ACCESS_BLOCK)
    did("create", "read")
    s3.delete_public_access_block(Bucket=BUCKET)
    ledger.refused("nothing is", "NoSuchPublicAccessBlockConfiguration", read, 404)
    did("delete")
