"""IAM's users: their tags, boundaries and access keys."""

from functools import partial


def check(ledger, aws, account, boundary):
    did = partial(ledger.did, "iam", "user")
    dev = {"user_name": "dev"}
    made = aws("iam create-user", **dev, path="/people/")["User"]
    ledger.equal("a user's ARN", made["Arn"], f"arn:aws:iam::{account}:user/people/dev")
    did("create")
    names = [one["UserName"] for one in aws.paged("iam user", "Users", "iam list-users")]
    ledger.equal("users", names, ["admin", "dev"])
    did("list")
    tags_and_boundary(ledger, aws, boundary)
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


def tags_and_boundary(ledger, aws, boundary):
    did = partial(ledger.did, "iam")
    dev = {"user_name": "dev"}
    wanted = [{"Key": "team", "Value": "a"}, {"Key": "zone", "Value": "b"}]
    aws("iam tag-user", **dev, tags=wanted)
    found = aws.paged("iam user-tags", "Tags", "iam list-user-tags", **dev)
    ledger.equal("tags", found, wanted)
    did("user-tags", "create", "list")
    aws("iam untag-user", **dev, tag_keys=["zone"])
    aws("iam put-user-permissions-boundary", **dev, permissions_boundary=boundary)
    read = aws("iam get-user", **dev)["User"]
    ledger.equal("one tag is left", read["Tags"], wanted[:1])
    did("user-tags", "delete")
    ledger.equal("a boundary", read["PermissionsBoundary"]["PermissionsBoundaryArn"], boundary)
    did("user-boundary", "create", "read")
    aws("iam delete-user-permissions-boundary", **dev)


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
