"""IAM's users: their tags, boundaries and access keys."""

from functools import partial

from documents import policy, statement

from .aws import paged

NAMES = [f"dev{number}" for number in range(1, 6)]


def check(ledger, aws, boundary):
    iam = aws.client("iam")
    users(ledger, iam, aws.account, boundary)
    tags(ledger, iam)
    boundaries(ledger, iam, boundary)
    access_keys(ledger, aws, iam, boundary)
    change_and_delete(ledger, iam)


def users(ledger, iam, account, boundary):
    did = partial(ledger.did, "iam", "user")
    made = iam.create_user(
        UserName="dev1",
        Path="/people/",
        PermissionsBoundary=boundary,
        Tags=[{"Key": "team", "Value": "a"}],
    )["User"]
    ledger.equal("a user's ARN", made["Arn"], f"arn:aws:iam::{account}:user/people/dev1")
    did("create")
    for name in NAMES[1:]:
        iam.create_user(UserName=name, Path="/people/")
    listed, sizes = paged(iam, "list_users", "Users", 2, PathPrefix="/people/")
    ledger.equal("five users", [one["UserName"] for one in listed], NAMES)
    ledger.equal("in three pages", sizes, [2, 2, 1])
    did("list", "pages")
    read = iam.get_user(UserName="DEV1")["User"]
    ledger.equal("the user", {**made, **read}, read)
    ledger.equal("its boundary", read["PermissionsBoundary"]["PermissionsBoundaryArn"], boundary)
    ledger.equal("its tags", read["Tags"], [{"Key": "team", "Value": "a"}])
    ledger.equal("nobody named: the caller", iam.get_user()["User"]["UserName"], "admin")
    did("read")
    ledger.refused(
        "a name twice", "EntityAlreadyExists", lambda: iam.create_user(UserName="Dev1"), 409
    )
    ledger.refused("nobody", "NoSuchEntity", lambda: iam.get_user(UserName="nobody"), 404)
    ledger.refused("a name", "ValidationError", lambda: iam.create_user(UserName="a b"), 400)


def tags(ledger, iam):
    did = partial(ledger.did, "iam", "user-tags")
    iam.tag_user(UserName="dev1", Tags=[{"Key": "Team", "Value": "b"}, {"Key": "x", "Value": ""}])
    found, sizes = paged(iam, "list_user_tags", "Tags", UserName="dev1")
    wanted = [{"Key": "Team", "Value": "b"}, {"Key": "x", "Value": ""}]
    ledger.equal("tags' keys have no case", (found, sizes), (wanted, [1, 1]))
    did("create", "list", "pages")
    iam.untag_user(UserName="dev1", TagKeys=["X"])
    ledger.equal("one is left", iam.list_user_tags(UserName="dev1")["Tags"], wanted[:1])
    did("delete")
    fifty = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    iam.tag_user(UserName="dev3", Tags=fifty)
    ledger.refused(
        "the fifty-first tag",
        "LimitExceeded",
        lambda: iam.tag_user(UserName="dev3", Tags=[{"Key": "k50", "Value": ""}]),
    )


def boundaries(ledger, iam, boundary):
    did = partial(ledger.did, "iam", "user-boundary")

    def read():
        found = iam.get_user(UserName="dev2")["User"].get("PermissionsBoundary", {})
        return found.get("PermissionsBoundaryArn")

    iam.put_user_permissions_boundary(UserName="dev2", PermissionsBoundary=boundary)
    ledger.equal("a boundary", read(), boundary)
    did("create", "read")
    iam.delete_user_permissions_boundary(UserName="dev2")
    ledger.equal("no boundary", read(), None)
    did("delete")
    ledger.refused(
        "a boundary that is not there",
        "NoSuchEntity",
        lambda: iam.put_user_permissions_boundary(
            UserName="dev2", PermissionsBoundary=boundary + "x"
        ),
    )
    ledger.refused(
        "no boundary to take away",
        "NoSuchEntity",
        lambda: iam.delete_user_permissions_boundary(UserName="dev2"),
    )


def access_keys(ledger, aws, iam, boundary):
    did = partial(ledger.did, "iam", "access-key")
    key = iam.create_access_key(UserName="dev1")["AccessKey"]
    key_id = key["AccessKeyId"]
    sts, own = aws.client("sts", key), aws.client("iam", key)
    ledger.check("the key is the user's", sts.get_caller_identity()["Arn"].endswith("/dev1"))
    did("create")
    document = policy(statement(["iam:GetUser", "sts:*"]))
    iam.put_user_policy(UserName="dev1", PolicyName="all", PolicyDocument=document)
    ledger.refused("beyond the boundary", "AccessDenied", own.get_user, 403)
    iam.delete_user_permissions_boundary(UserName="dev1")
    ledger.allowed("without the boundary", own.get_user)
    info = sts.get_access_key_info
    ledger.equal("whose key", info(AccessKeyId=key_id)["Account"], aws.account)
    ledger.did("sts", "access-key-info", "read")
    unknown = "AKIA0000000000000000"
    ledger.refused("nobody's", "ValidationError", lambda: info(AccessKeyId=unknown))
    iam.create_access_key(UserName="dev1")
    ledger.refused(
        "a third key", "LimitExceeded", lambda: iam.create_access_key(UserName="dev1"), 409
    )
    listed, sizes = paged(iam, "list_access_keys", "AccessKeyMetadata", UserName="dev1")
    ledger.equal("two keys, one a page", sizes, [1, 1])
    ledger.check("the key is listed", key_id in [one["AccessKeyId"] for one in listed], listed)
    did("list", "pages")
    used = iam.get_access_key_last_used(AccessKeyId=key_id)
    ledger.equal("whose key it is", used["UserName"], "dev1")
    did("read")
    at = {"UserName": "dev1", "AccessKeyId": key_id}
    iam.update_access_key(**at, Status="Inactive")
    ledger.refused("an inactive key", "InvalidClientTokenId", own.get_user, 403)
    iam.update_access_key(**at, Status="Active")
    ledger.allowed("an active one", own.get_user)
    did("update")
    ledger.refused(
        "a status", "ValidationError", lambda: iam.update_access_key(**at, Status="Asleep")
    )
    ledger.refused("keys keep a user", "DeleteConflict", lambda: iam.delete_user(UserName="dev1"))
    for one in listed:
        iam.delete_access_key(UserName="dev1", AccessKeyId=one["AccessKeyId"])
    ledger.refused("a deleted key", "InvalidClientTokenId", own.get_user)
    ledger.refused("to delete it again", "NoSuchEntity", lambda: iam.delete_access_key(**at))
    did("delete")


def change_and_delete(ledger, iam):
    did = partial(ledger.did, "iam", "user")
    iam.update_user(UserName="dev5", NewUserName="dev6", NewPath="/gone/")
    ledger.equal("renamed", iam.get_user(UserName="dev6")["User"]["Path"], "/gone/")
    ledger.refused("its old name", "NoSuchEntity", lambda: iam.get_user(UserName="dev5"), 404)
    did("update")
    ledger.refused(
        "renamed to one there is",
        "EntityAlreadyExists",
        lambda: iam.update_user(UserName="dev6", NewUserName="dev4"),
    )
    ledger.refused(
        "policies keep a user", "DeleteConflict", lambda: iam.delete_user(UserName="dev1")
    )
    iam.delete_user_policy(UserName="dev1", PolicyName="all")
    for name in ("dev1", "dev2", "dev3", "dev4", "dev6"):
        iam.delete_user(UserName=name)
    ledger.refused("a deleted user", "NoSuchEntity", lambda: iam.get_user(UserName="dev1"), 404)
    left = [one["UserName"] for one in iam.list_users()["Users"]]
    ledger.equal("one user is left", left, ["admin"])
    did("delete")
