"""S3's objects: one, many, copies, and by presigned URLs."""

import urllib.error
import urllib.request
from functools import partial

from botocore.config import Config

from .aws import paged
from .s3_buckets import BUCKET

AT = {"Bucket": BUCKET, "Key": "notes/ü 1+.txt"}


def check(ledger, aws):
    s3 = aws.client("s3")
    did = partial(ledger.did, "s3", "object")
    made = s3.put_object(**AT, Body=b"first", ContentType="text/plain", Metadata={"who": "me"})
    ledger.equal("an object's MD5", made["ETag"], '"8b04d5e3775d298e78455efc5ca404d5"')
    did("create")
    read = s3.get_object(**AT)
    found = (read["Body"].read(), read["ContentType"], read["Metadata"], read["ETag"])
    ledger.equal("the object", found, (b"first", "text/plain", {"who": "me"}, made["ETag"]))
    part = s3.get_object(**AT, Range="bytes=1-2")
    ledger.equal("a part of it", part["Body"].read(), b"ir")
    did("read")
    s3.put_object(**AT, Body=b"second")
    ledger.equal("another content", s3.get_object(**AT)["Body"].read(), b"second")
    ledger.equal("its size", s3.head_object(**AT)["ContentLength"], 6)
    did("update")
    grants = s3.get_object_acl(**AT)["Grants"]
    ledger.equal("its ACL", [one["Permission"] for one in grants], ["FULL_CONTROL"])
    ledger.refused(
        "a write on a condition",
        "PreconditionFailed",
        lambda: s3.put_object(**AT, Body=b"third", IfNoneMatch="*"),
        412,
    )
    copies(ledger, s3)
    lists(ledger, s3)
    presigned(ledger, aws)
    s3.delete_object(**AT)
    ledger.refused("no object", "NoSuchKey", lambda: s3.get_object(**AT), 404)
    ledger.refused("no head of it", "404", lambda: s3.head_object(**AT), 404)
    did("delete")


def copies(ledger, s3):
    to = {"Bucket": BUCKET, "Key": "notes/copy.txt"}
    answer = s3.copy_object(**to, CopySource=AT)["CopyObjectResult"]
    ledger.equal("a copy", s3.get_object(**to)["Body"].read(), b"second")
    ledger.equal("its tag", s3.head_object(**to)["ETag"], answer["ETag"])
    ledger.did("s3", "object-copy", "create")


def lists(ledger, s3):
    keys = ["notes/copy.txt", AT["Key"], "other/1", "other/2"]
    for key in keys[2:]:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    for operation in ("list_objects_v2", "list_objects"):
        listed, sizes = paged(s3, operation, "Contents", 2, Bucket=BUCKET)
        ledger.equal(operation, ([one["Key"] for one in listed], sizes), (keys, [2, 2]))
    folders = s3.list_objects_v2(Bucket=BUCKET, Delimiter="/")["CommonPrefixes"]
    ledger.equal("folders", [one["Prefix"] for one in folders], ["notes/", "other/"])
    ledger.did("s3", "object", "list", "pages")
    named = [{"Key": key} for key in (*keys[2:], "notes/copy.txt", "never-there")]
    deleted = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": named})["Deleted"]
    found = {one["Key"] for one in deleted}
    ledger.equal("all that were named", found, {one["Key"] for one in named})
    left = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    ledger.equal("one is left", [one["Key"] for one in left], [AT["Key"]])
    ledger.did("s3", "objects", "delete")


def presigned(ledger, aws):
    did = partial(ledger.did, "s3", "presigned-url")
    at = {"Bucket": BUCKET, "Key": "by-url"}
    old = aws.client("s3").generate_presigned_url("get_object", Params=at, ExpiresIn=60)
    ledger.equal("what boto3 signs by itself in us-east-1: version 2", fetch(old)[0], 400)
    s3 = aws.client("s3", config=Config(signature_version="s3v4"))
    # Signed in the query: no credentials are needed to use it.
    put = s3.generate_presigned_url("put_object", Params=at, ExpiresIn=60)
    ledger.equal("put by a URL", fetch(put, "PUT", b"by a URL")[0], 200)
    did("create")
    url = s3.generate_presigned_url("get_object", Params=at, ExpiresIn=60)
    ledger.equal("read by a URL", fetch(url), (200, b"by a URL"))
    did("read")
    ledger.equal("another key by it", fetch(url.replace("by-url", "by-urx"))[0], 403)
    ledger.equal("a put by it", fetch(url, "PUT", b"")[0], 403)
    s3.delete_object(**at)


def fetch(url, method="GET", body=None):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, data=body, method=method)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
