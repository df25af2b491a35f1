"""IAM's users and their access keys."""

from functools import partial

from .iam_entities import tags_and_boundary


def check(ledger, aws, account, boundary):
    did = partial(ledger.did, "iam", "user")
    dev = {"user_name": "dev"}
    made = aws("iam create-user", **dev, path="/people/")["User"]
    ledger.equal("a user's ARN", made["Arn"], f"arn:aws:iam::{account}:user/people/dev")
    did("create")
    names = [one["UserName"] for one in aws.paged("iam user", "Users", "iam list-users")]
    ledger.equal("users", names, ["admin", "dev"])
    did("list")
    tags_and_boundary(ledger, aws, "user", "dev", boundary)
    access_keys(ledger, aws)
    aws("iam update-user", **dev, new_user_name="lead", new_path="/leads/")
    read = aws("iam get-user", user_name="lead")["User"]
    found = (read["UserId"], read["Path"])
    ledger.equal("a user that was renamed", found, (made["UserId"], "/leads/"))
    did("read", "update")
    ledger.check("without a boundary", "PermissionsBoundary" not in read, read)
    ledger.did("iam", "user-boundary", "delete")
    aws("iam delete-user", user_name="lead")
    aws.refused("NoSuchEntity", "iam get-user", user_name="lead")
    did("delete")


def access_keys(ledger, aws):
    did = partial(ledger.did, "iam", "access-key")
    dev = {"user_name": "dev"}
    ids = [aws("iam create-access-key", **dev)["AccessKey"]["AccessKeyId"] for _ in range(2)]
    aws("iam update-access-key", **dev, access_key_id=ids[0], status="Inactive")
    listed = aws.paged("iam access-key", "AccessKeyMetadata", "iam list-access-keys", **dev)
    found = {one["AccessKeyId"]: one["Status"] for one in listed}
    ledger.equal("keys", found, {ids[0]: "Inactive", ids[1]: "Active"})
    did("create", "list", "update")
    used = aws("iam get-access-key-last-used", access_key_id=ids[0])
    ledger.equal("whose key it is", used["UserName"], "dev")
    did("read")
    for one in ids:
        aws("iam delete-access-key", **dev, access_key_id=one)
    aws.refused("NoSuchEntity", "iam delete-access-key", **dev, access_key_id=ids[0])
    did("delete")
