"""S3's objects: one, many, copies, and by a presigned URL."""

import urllib.request
from functools import partial
from pathlib import Path

from .cli import Cli
from .s3_buckets import BUCKET, OF

AT = {**OF, "key": "notes/ü 1+.txt"}


def check(ledger, aws, folder):
    did = partial(ledger.did, "s3", "object")
    body = Path(folder) / "body"

    def put(key, content):
        body.write_text(content, encoding="utf-8")
        return aws("s3api put-object", **OF, key=key, body=str(body))

    def read(key):
        to = Path(folder) / "read"
        answer = aws("s3api get-object", str(to), **OF, key=key)
        return to.read_text(encoding="utf-8"), answer["ETag"]

    first = put(AT["key"], "first")["ETag"]
    ledger.equal("an object's MD5", first, '"8b04d5e3775d298e78455efc5ca404d5"')
    did("create")
    made = put(AT["key"], "second")
    ledger.equal("the object, put again", read(AT["key"]), ("second", made["ETag"]))
    did("read", "update")
    source = f"{BUCKET}/{AT['key']}"
    aws("s3api copy-object", **OF, key="copy", copy_source=source)
    listed = aws.resumed("Contents", "s3api list-objects-v2", **OF)
    found = {one["Key"]: one["ETag"] for one in listed}
    ledger.equal("objects", found, {AT["key"]: made["ETag"], "copy": made["ETag"]})
    did("list", "pages")
    presigned(ledger, folder, "copy", "second")
    aws("s3api delete-object", **AT)
    aws.refused("NoSuchKey", "s3api get-object", str(body), **AT)
    did("delete")
    named = {"Objects": [{"Key": "copy"}, {"Key": "never-there"}]}
    deleted = aws("s3api delete-objects", **OF, delete=named)["Deleted"]
    ledger.equal("all that were named", {one["Key"] for one in deleted}, {"copy", "never-there"})
    ledger.did("s3", "objects", "delete")


def presigned(ledger, folder, key, content):
    # Else the CLI signs with version 2, which no bucket of today takes.
    config = Path(folder) / "config"
    config.write_text("[default]\ns3 =\n    signature_version = s3v4\n", encoding="utf-8")
    signer = Cli(ledger)
    signer.environment["AWS_CONFIG_FILE"] = str(config)
    url = signer.text(f"s3 presign s3://{BUCKET}/{key}", expires_in="60").strip()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url) as answer:
        ledger.equal("what a URL gives", answer.read().decode(), content)
    ledger.did("s3", "object-copy", "create")
    ledger.check("a URL that is signed", "X-Amz-Signature=" in url, url)
    ledger.did("s3", "presigned-url", "create", "read")
