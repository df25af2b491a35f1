"""IAM's groups and who is in them."""

from functools import partial


def check(ledger, aws):
    did = partial(ledger.did, "iam", "group")
    devs, member = {"group_name": "devs"}, {"user_name": "holder"}
    made = aws("iam create-group", **devs)["Group"]
    groups = aws.paged("iam group", "Groups", "iam list-groups")
    ledger.equal("groups", [one["GroupName"] for one in groups], ["devs", "holder"])
    did("create", "list")
    aws("iam add-user-to-group", **devs, **member)
    read = aws("iam get-group", **devs)
    ledger.equal("a group", read["Group"], made)
    did("read")
    ledger.equal("its members", [one["UserName"] for one in read["Users"]], ["holder"])
    groups = aws("iam list-groups-for-user", **member)["Groups"]
    ledger.equal("groups of a user", groups, [made])
    ledger.did("iam", "group-member", "create", "list")
    aws("iam remove-user-from-group", **devs, **member)
    aws("iam update-group", **devs, new_group_name="crew")
    read = aws("iam get-group", group_name="crew")
    ledger.equal("no members", read["Users"], [])
    ledger.did("iam", "group-member", "delete")
    ledger.equal("another name", read["Group"]["GroupId"], made["GroupId"])
    did("update")
    aws("iam delete-group", group_name="crew")
    aws.refused("NoSuchEntity", "iam get-group", group_name="crew")
    did("delete")
