"""What IAM tells of a whole account."""

from documents import EC2_TRUST


def check(ledger, aws):
    iam = aws.client("iam")
    for name in ("first", "second"):
        iam.create_user(UserName=name)
    iam.create_role(RoleName="counted", AssumeRolePolicyDocument=EC2_TRUST)
    iam.create_instance_profile(InstanceProfileName="counted")
    iam.add_role_to_instance_profile(InstanceProfileName="counted", RoleName="counted")
    summary = iam.get_account_summary()["SummaryMap"]
    ledger.equal("users in the summary", summary["Users"], 3)
    ledger.equal("quota of trust policies", summary["AssumeRolePolicySizeQuota"], 2048)
    ledger.did("iam", "account", "read")
    details = {"UserDetailList": [], "RoleDetailList": [], "Policies": []}
    pages = iam.get_paginator("get_account_authorization_details")
    count = 0
    for page in pages.paginate(PaginationConfig={"PageSize": 2}):
        count += 1
        for key, items in details.items():
            items.extend(page[key])
    names = [one["UserName"] for one in details["UserDetailList"]]
    ledger.equal("details of all users", names, ["admin", "first", "second"])
    [role] = [one for one in details["RoleDetailList"] if one["RoleName"] == "counted"]
    profile = role["InstanceProfileList"][0]["InstanceProfileName"]
    ledger.equal("a role's profiles", profile, "counted")
    policies = details["Policies"]
    ledger.check(
        "policies with their versions",
        policies and all(one["PolicyVersionList"] for one in policies),
        policies,
    )
    ledger.check("in pages", count >= 3, count)
    ledger.did("iam", "account-authorization", "list", "pages")
    only = iam.get_account_authorization_details(Filter=["Group"])
    ledger.equal("only groups", (only["UserDetailList"], only["RoleDetailList"]), ([], []))
    ledger.refused(
        "a filter",
        "ValidationError",
        lambda: iam.get_account_authorization_details(Filter=["Everything"]),
    )
    iam.remove_role_from_instance_profile(InstanceProfileName="counted", RoleName="counted")
    iam.delete_instance_profile(InstanceProfileName="counted")
    iam.delete_role(RoleName="counted")
    for name in ("first", "second"):
        iam.delete_user(UserName=name)
