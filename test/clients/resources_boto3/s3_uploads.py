"""S3's multipart uploads."""

from functools import partial

from .aws import paged
from .s3_buckets import BUCKET

FIVE_MIB = b"x" * (5 << 20)
AT = {"Bucket": BUCKET, "Key": "big.bin"}


def check(ledger, aws):
    s3 = aws.client("s3")
    did = partial(ledger.did, "s3", "multipart-upload")
    upload = s3.create_multipart_upload(**AT)["UploadId"]
    others = [s3.create_multipart_upload(**AT)["UploadId"]]
    others.append(s3.create_multipart_upload(Bucket=BUCKET, Key="small.bin")["UploadId"])
    listed, sizes = paged(s3, "list_multipart_uploads", "Uploads", Bucket=BUCKET)
    found = [(one["Key"], one["UploadId"]) for one in listed]
    first = sorted([("big.bin", upload), ("big.bin", others[0])])
    ledger.equal("uploads", sorted(found), sorted([*first, ("small.bin", others[1])]))
    ledger.equal("one a page, by their keys", (sizes, found[2][0]), ([1, 1, 1], "small.bin"))
    did("create", "list", "pages")
    of = {**AT, "UploadId": upload}
    tags = [
        s3.upload_part(**of, PartNumber=number, Body=body)["ETag"]
        for number, body in ((1, FIVE_MIB), (2, b"first end"))
    ]
    parts, sizes = paged(s3, "list_parts", "Parts", **of)
    found = [(one["PartNumber"], one["ETag"]) for one in parts]
    ledger.equal("parts", (found, sizes), (list(enumerate(tags, 1)), [1, 1]))
    did("read")
    tags[1] = s3.upload_part(**of, PartNumber=2, Body=b"end")["ETag"]
    named = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
    done = s3.complete_multipart_upload(**of, MultipartUpload={"Parts": named})
    read = s3.get_object(**AT)
    ledger.equal("the whole of it", read["Body"].read() == FIVE_MIB + b"end", True)
    ledger.equal("its tag", (read["ETag"], done["ETag"][-3:]), (done["ETag"], '-2"'))
    did("update")
    s3.abort_multipart_upload(**AT, UploadId=others[0])
    s3.abort_multipart_upload(Bucket=BUCKET, Key="small.bin", UploadId=others[1])
    left = s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    ledger.equal("none is left", left, [])
    ledger.refused(
        "an upload that is gone",
        "NoSuchUpload",
        lambda: s3.list_parts(**AT, UploadId=others[0]),
        404,
    )
    did("delete")
    s3.delete_object(**AT)
