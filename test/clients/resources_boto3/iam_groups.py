"""IAM's groups and who is in them."""

from functools import partial

from documents import policy, statement

from .aws import paged

MEMBERS = ["member1", "member2", "member3"]


def check(ledger, aws):
    iam = aws.client("iam")
    did = partial(ledger.did, "iam", "group")
    group = iam.create_group(GroupName="devs", Path="/teams/")["Group"]
    ledger.equal("a group's ARN", group["Arn"], f"arn:aws:iam::{aws.account}:group/teams/devs")
    did("create")
    for name in ("auditors", "editors"):
        iam.create_group(GroupName=name)
    listed, sizes = paged(iam, "list_groups", "Groups", 2)
    names = [one["GroupName"] for one in listed]
    ledger.equal("groups", (names, sizes), (["auditors", "devs", "editors"], [2, 1]))
    did("list", "pages")
    ledger.equal("a group", iam.get_group(GroupName="DEVS")["Group"], group)
    did("read")
    members(ledger, aws, iam)
    iam.update_group(GroupName="devs", NewGroupName="crew")
    ledger.equal("renamed", iam.get_group(GroupName="crew")["Group"]["GroupId"], group["GroupId"])
    ledger.refused("its old name", "NoSuchEntity", lambda: iam.get_group(GroupName="devs"), 404)
    did("update")
    for name in MEMBERS[1:]:
        iam.remove_user_from_group(GroupName="crew", UserName=name)
    ledger.refused(
        "policies keep a group", "DeleteConflict", lambda: iam.delete_group(GroupName="crew")
    )
    iam.delete_group_policy(GroupName="crew", PolicyName="read")
    for name in ("auditors", "crew", "editors"):
        iam.delete_group(GroupName=name)
    ledger.equal("none is left", iam.list_groups()["Groups"], [])
    ledger.refused("it is gone", "NoSuchEntity", lambda: iam.get_group(GroupName="crew"), 404)
    did("delete")
    for name in MEMBERS:
        iam.delete_user(UserName=name)


def members(ledger, aws, iam):
    did = partial(ledger.did, "iam", "group-member")
    for name in MEMBERS:
        iam.create_user(UserName=name)
        iam.add_user_to_group(GroupName="devs", UserName=name)
    found, sizes = paged(iam, "get_group", "Users", 2, GroupName="devs")
    names = [one["UserName"] for one in found]
    ledger.equal("members, in two pages", (names, sizes), (MEMBERS, [2, 1]))
    did("create")
    own_groups = iam.list_groups_for_user(UserName="member1")["Groups"]
    ledger.equal("groups of a user", [one["GroupName"] for one in own_groups], ["devs"])
    did("list")
    document = policy(statement("iam:GetUser"))
    iam.put_group_policy(GroupName="devs", PolicyName="read", PolicyDocument=document)
    key = iam.create_access_key(UserName="member1")["AccessKey"]
    own = aws.client("iam", key)
    ledger.allowed("the group's policy holds for its members", own.get_user)
    iam.remove_user_from_group(GroupName="devs", UserName="member1")
    ledger.refused("and for nobody else", "AccessDenied", own.get_user, 403)
    ledger.equal("in no group", iam.list_groups_for_user(UserName="member1")["Groups"], [])
    did("delete")
    iam.delete_access_key(UserName="member1", AccessKeyId=key["AccessKeyId"])
    ledger.refused(
        "not a member",
        "NoSuchEntity",
        lambda: iam.remove_user_from_group(GroupName="devs", UserName="member1"),
    )
    ledger.refused(
        "members keep a group", "DeleteConflict", lambda: iam.delete_group(GroupName="devs")
    )
    ledger.refused(
        "members keep the user", "DeleteConflict", lambda: iam.delete_user(UserName="member2")
    )
