"""S3's multipart uploads."""

from functools import partial
from pathlib import Path

from .s3_buckets import OF

AT = {**OF, "key": "big.bin"}


def check(ledger, aws, folder):
    did = partial(ledger.did, "s3", "multipart-upload")
    body = Path(folder) / "part"

    def upload(number, content):
        body.write_bytes(content)
        part = aws("s3api upload-part", **of, part_number=str(number), body=str(body))
        return {"PartNumber": number, "ETag": part["ETag"]}

    ids = [aws("s3api create-multipart-upload", **AT)["UploadId"] for _ in range(2)]
    of = {**AT, "upload_id": ids[0]}
    listed = aws.resumed("Uploads", "s3api list-multipart-uploads", **OF)
    ledger.equal("uploads", [one["UploadId"] for one in listed], ids)
    did("create", "list", "pages")
    parts = [upload(1, b"x" * (5 << 20)), upload(2, b"end")]
    listed = aws.resumed("Parts", "s3api list-parts", **of)
    found = [{"PartNumber": one["PartNumber"], "ETag": one["ETag"]} for one in listed]
    ledger.equal("parts", found, parts)
    did("read")
    done = aws("s3api complete-multipart-upload", **of, multipart_upload={"Parts": parts})
    head = aws("s3api head-object", **AT)
    found = (head["ContentLength"], head["ETag"])
    ledger.equal("the whole of it", found, ((5 << 20) + 3, done["ETag"]))
    did("update")
    aws("s3api abort-multipart-upload", **AT, upload_id=ids[1])
    aws.refused("NoSuchUpload", "s3api list-parts", **AT, upload_id=ids[1])
    did("delete")
    aws("s3api delete-object", **AT)
