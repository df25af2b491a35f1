"""IAM's resources by boto3 alone: made, read, listed by pages, changed, refused and deleted."""

import json
import os
import warnings
from xml.etree import ElementTree

import boto3
from botocore.exceptions import ClientError

from checks import NO_RETRIES, Checks

warnings.simplefilter("error")

EC2_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
)


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def statement(action, resource="*", effect="Allow", **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def unknown_members(element, shape):
    """The names in a parsed XML answer that the service model does not have."""
    if shape.type_name == "structure":
        for child in element:
            tag = child.tag.split("}")[-1]
            if tag not in shape.members:
                yield f"{shape.name}.{tag}"
            else:
                yield from unknown_members(child, shape.members[tag])
    elif shape.type_name == "list":
        for child in element:
            yield from unknown_members(child, shape.member)


class ModelWatch:
    """
    Holds every answer of a client against botocore's own service model: a member that the model
    does not have would be dropped in silence.
    """

    def __init__(self, client):
        self.unknown, self.operations = [], set()
        client.meta.events.register("before-parse.iam", self.look)

    def look(self, operation_model, response_dict, **_):
        self.operations.add(operation_model.name)
        if response_dict["status_code"] >= 300 or operation_model.output_shape is None:
            return
        root = ElementTree.fromstring(response_dict["body"])
        wrapper = operation_model.output_shape.serialization.get("resultWrapper")
        for result in root:
            if result.tag.split("}")[-1] == wrapper:
                self.unknown.extend(unknown_members(result, operation_model.output_shape))


def pages(iam, operation, key, **arguments):
    """The items of a list taken two by two, and how many pages that took."""
    found, count = [], 0
    paginator = iam.get_paginator(operation)
    for page in paginator.paginate(PaginationConfig={"PageSize": 2}, **arguments):
        found.extend(page[key])
        count += 1
    return found, count


def users(checks, iam, account):
    boundary = iam.create_policy(
        PolicyName="bound", PolicyDocument=policy(statement("s3:*"))
    )["Policy"]["Arn"]
    made = iam.create_user(
        UserName="dev1",
        Path="/people/",
        PermissionsBoundary=boundary,
        Tags=[{"Key": "team", "Value": "a"}],
    )["User"]
    checks.equal("a user's ARN", made["Arn"], f"arn:aws:iam::{account}:user/people/dev1")
    for index in range(2, 6):
        iam.create_user(UserName=f"dev{index}", Path="/people/")
    listed, count = pages(iam, "list_users", "Users", PathPrefix="/people/")
    checks.equal("five users", [one["UserName"] for one in listed], [f"dev{n}" for n in range(1, 6)])
    checks.equal("in three pages", count, 3)
    read = iam.get_user(UserName="DEV1")["User"]
    checks.equal("its boundary", read["PermissionsBoundary"]["PermissionsBoundaryArn"], boundary)
    checks.equal("its tags", read["Tags"], [{"Key": "team", "Value": "a"}])
    checks.equal("nobody named: the caller", iam.get_user()["User"]["UserName"], "admin")
    checks.refused("a name twice", "EntityAlreadyExists", lambda: iam.create_user(UserName="Dev1"), 409)
    checks.refused("nobody", "NoSuchEntity", lambda: iam.get_user(UserName="nobody"), 404)
    checks.refused("a name", "ValidationError", lambda: iam.create_user(UserName="a b"), 400)
    checks.refused(
        "a boundary that is not there",
        "NoSuchEntity",
        lambda: iam.put_user_permissions_boundary(
            UserName="dev2", PermissionsBoundary=boundary + "x"
        ),
    )
    checks.refused(
        "no boundary to take away",
        "NoSuchEntity",
        lambda: iam.delete_user_permissions_boundary(UserName="dev2"),
    )
    iam.tag_user(UserName="dev1", Tags=[{"Key": "Team", "Value": "b"}, {"Key": "x", "Value": ""}])
    iam.untag_user(UserName="dev1", TagKeys=["X"])
    tags = iam.list_user_tags(UserName="dev1")["Tags"]
    checks.equal("tags' keys have no case", tags, [{"Key": "Team", "Value": "b"}])
    checks.refused(
        "the fifty-first tag",
        "LimitExceeded",
        lambda: (
            iam.tag_user(
                UserName="dev3", Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)]
            ),
            iam.tag_user(UserName="dev3", Tags=[{"Key": "k50", "Value": ""}]),
        ),
    )
    iam.update_user(UserName="dev5", NewUserName="dev6", NewPath="/gone/")
    checks.equal("renamed", iam.get_user(UserName="dev6")["User"]["Path"], "/gone/")
    checks.refused(
        "renamed to one there is",
        "EntityAlreadyExists",
        lambda: iam.update_user(UserName="dev6", NewUserName="dev4"),
    )
    return boundary


def access_keys(checks, iam, boundary):
    key = iam.create_access_key(UserName="dev1")["AccessKey"]
    mine = {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
        "config": NO_RETRIES,
    }
    sts, own = boto3.client("sts", **mine), boto3.client("iam", **mine)
    checks.check("the key is the user's", sts.get_caller_identity()["Arn"].endswith("/dev1"))
    info = sts.get_access_key_info
    iam.put_user_policy(
        UserName="dev1",
        PolicyName="all",
        PolicyDocument=policy(statement(["iam:GetUser", "sts:*"])),
    )
    checks.refused("beyond the boundary", "AccessDenied", own.get_user, 403)
    iam.delete_user_permissions_boundary(UserName="dev1")
    checks.allowed("without the boundary", own.get_user)
    answer = checks.allowed("whose key", lambda: info(AccessKeyId=key["AccessKeyId"]))
    checks.equal("the account's", (answer or {}).get("Account"), sts.get_caller_identity()["Account"])
    checks.refused(
        "a key that nobody has",
        "ValidationError",
        lambda: info(AccessKeyId="AKIA0000000000000000"),
    )
    iam.create_access_key(UserName="dev1")
    checks.refused(
        "a third key", "LimitExceeded", lambda: iam.create_access_key(UserName="dev1"), 409
    )
    listed, _ = pages(iam, "list_access_keys", "AccessKeyMetadata", UserName="dev1")
    checks.equal("two keys", len(listed), 2)
    checks.equal(
        "whose key it is",
        iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["UserName"],
        "dev1",
    )
    iam.update_access_key(UserName="dev1", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    checks.refused("an inactive key", "InvalidClientTokenId", own.get_user, 403)
    iam.update_access_key(UserName="dev1", AccessKeyId=key["AccessKeyId"], Status="Active")
    checks.allowed("an active one", own.get_user)
    checks.refused(
        "a status",
        "ValidationError",
        lambda: iam.update_access_key(
            UserName="dev1", AccessKeyId=key["AccessKeyId"], Status="Asleep"
        ),
    )
    checks.refused("keys keep a user", "DeleteConflict", lambda: iam.delete_user(UserName="dev1"))
    for one in listed:
        iam.delete_access_key(UserName="dev1", AccessKeyId=one["AccessKeyId"])
    checks.refused("a deleted key", "InvalidClientTokenId", own.get_user)
    checks.refused(
        "to delete it again",
        "NoSuchEntity",
        lambda: iam.delete_access_key(UserName="dev1", AccessKeyId=key["AccessKeyId"]),
    )


def groups(checks, iam, account):
    group = iam.create_group(GroupName="devs", Path="/teams/")["Group"]
    checks.equal("a group's ARN", group["Arn"], f"arn:aws:iam::{account}:group/teams/devs")
    for name in ("dev2", "dev3", "dev4"):
        iam.add_user_to_group(GroupName="devs", UserName=name)
    members, count = pages(iam, "get_group", "Users", GroupName="devs")
    checks.equal("its members", [one["UserName"] for one in members], ["dev2", "dev3", "dev4"])
    checks.equal("in two pages", count, 2)
    checks.equal(
        "groups of a user",
        [one["GroupName"] for one in iam.list_groups_for_user(UserName="dev2")["Groups"]],
        ["devs"],
    )
    iam.put_group_policy(
        GroupName="devs", PolicyName="read", PolicyDocument=policy(statement("iam:GetUser"))
    )
    key = iam.create_access_key(UserName="dev2")["AccessKey"]
    own = boto3.client(
        "iam",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        config=NO_RETRIES,
    )
    checks.allowed("the group's policy holds for its members", own.get_user)
    iam.remove_user_from_group(GroupName="devs", UserName="dev2")
    checks.refused("and for nobody else", "AccessDenied", own.get_user, 403)
    iam.delete_access_key(UserName="dev2", AccessKeyId=key["AccessKeyId"])
    checks.refused(
        "not a member",
        "NoSuchEntity",
        lambda: iam.remove_user_from_group(GroupName="devs", UserName="dev2"),
    )
    checks.refused("members keep a group", "DeleteConflict", lambda: iam.delete_group(GroupName="devs"))
    checks.refused("members keep the user", "DeleteConflict", lambda: iam.delete_user(UserName="dev3"))
    iam.update_group(GroupName="devs", NewGroupName="crew")
    checks.equal("renamed", iam.get_group(GroupName="crew")["Group"]["GroupId"], group["GroupId"])
    checks.refused("its old name", "NoSuchEntity", lambda: iam.get_group(GroupName="devs"))
    for name in ("dev3", "dev4"):
        iam.remove_user_from_group(GroupName="crew", UserName=name)
    checks.equal("inline ones", iam.list_group_policies(GroupName="crew")["PolicyNames"], ["read"])
    checks.equal(
        "as it was put",
        iam.get_group_policy(GroupName="crew", PolicyName="read")["PolicyDocument"],
        json.loads(policy(statement("iam:GetUser"))),
    )
    iam.delete_group_policy(GroupName="crew", PolicyName="read")
    iam.delete_group(GroupName="crew")
    checks.equal("none is left", iam.list_groups()["Groups"], [])


def policies(checks, iam, boundary):
    iam.tag_policy(PolicyArn=boundary, Tags=[{"Key": "a", "Value": "1"}])
    checks.equal("tags", iam.list_policy_tags(PolicyArn=boundary)["Tags"], [{"Key": "a", "Value": "1"}])
    iam.untag_policy(PolicyArn=boundary, TagKeys=["a"])
    for _ in range(4):
        iam.create_policy_version(PolicyArn=boundary, PolicyDocument=policy(statement("s3:Get*")))
    checks.refused(
        "a sixth version",
        "LimitExceeded",
        lambda: iam.create_policy_version(
            PolicyArn=boundary, PolicyDocument=policy(statement("s3:*"))
        ),
    )
    listed, count = pages(iam, "list_policy_versions", "Versions", PolicyArn=boundary)
    checks.equal("the newest first", [one["VersionId"] for one in listed], ["v5", "v4", "v3", "v2", "v1"])
    checks.equal("in three pages", count, 3)
    iam.set_default_policy_version(PolicyArn=boundary, VersionId="v5")
    checks.refused(
        "the default version goes with its policy",
        "DeleteConflict",
        lambda: iam.delete_policy_version(PolicyArn=boundary, VersionId="v5"),
    )
    checks.refused("with its versions", "DeleteConflict", lambda: iam.delete_policy(PolicyArn=boundary))
    for number in range(1, 5):
        iam.delete_policy_version(PolicyArn=boundary, VersionId=f"v{number}")
    iam.attach_user_policy(UserName="dev2", PolicyArn=boundary)
    iam.put_user_permissions_boundary(UserName="dev3", PermissionsBoundary=boundary)
    entities = iam.list_entities_for_policy(PolicyArn=boundary)
    checks.equal("who has it", [one["UserName"] for one in entities["PolicyUsers"]], ["dev2", "dev3"])
    only = iam.list_entities_for_policy(PolicyArn=boundary, PolicyUsageFilter="PermissionsBoundary")
    checks.equal("as a boundary", [one["UserName"] for one in only["PolicyUsers"]], ["dev3"])
    local = iam.list_policies(Scope="Local", OnlyAttached=True)["Policies"]
    checks.equal("attached ones of the account", [one["Arn"] for one in local], [boundary])
    checks.equal("attached once", local[0]["AttachmentCount"], 1)
    checks.equal("a boundary once", local[0]["PermissionsBoundaryUsageCount"], 1)
    checks.refused(
        "a policy that is not there",
        "NoSuchEntity",
        lambda: iam.list_entities_for_policy(PolicyArn=boundary + "x"),
    )
    checks.refused("in use", "DeleteConflict", lambda: iam.delete_policy(PolicyArn=boundary))
    checks.refused("a scope", "ValidationError", lambda: iam.list_policies(Scope="Mine"))


def holders(checks, iam, boundary):
    """Inline and attached policies of a role, a user and a group: the same operations for each."""
    iam.create_group(GroupName="holder")
    iam.create_user(UserName="holder")
    iam.create_role(RoleName="holder", AssumeRolePolicyDocument=EC2_TRUST)
    document = policy(statement("s3:GetObject"))
    for kind in ("role", "user", "group"):
        name = {f"{kind.title()}Name": "holder"}

        def call(operation, name=name, **more):
            return getattr(iam, operation)(**name, **more)

        for index in range(3):
            call(f"put_{kind}_policy", PolicyName=f"p{index}", PolicyDocument=document)
        listed, count = pages(iam, f"list_{kind}_policies", "PolicyNames", **name)
        checks.equal(f"inline policies of a {kind}", (listed, count), (["p0", "p1", "p2"], 2))
        read = call(f"get_{kind}_policy", PolicyName="p0")["PolicyDocument"]
        checks.equal(f"a {kind}'s policy as it was put", read, json.loads(document))
        call(f"attach_{kind}_policy", PolicyArn=boundary)
        attached, _ = pages(iam, f"list_attached_{kind}_policies", "AttachedPolicies", **name)
        checks.equal(f"attached to a {kind}", attached, [{"PolicyName": "bound", "PolicyArn": boundary}])
        checks.refused(
            f"a {kind} with policies", "DeleteConflict", lambda: call(f"delete_{kind}"), 409
        )
        call(f"detach_{kind}_policy", PolicyArn=boundary)
        for code, operation, more in (
            ("NoSuchEntity", f"detach_{kind}_policy", {"PolicyArn": boundary}),
            ("NoSuchEntity", f"attach_{kind}_policy", {"PolicyArn": boundary + "x"}),
            ("NoSuchEntity", f"get_{kind}_policy", {"PolicyName": "p9"}),
            ("NoSuchEntity", f"delete_{kind}_policy", {"PolicyName": "p9"}),
            (
                "MalformedPolicyDocument",
                f"put_{kind}_policy",
                {"PolicyName": "p9", "PolicyDocument": "{}"},
            ),
        ):
            checks.refused(
                operation, code, lambda operation=operation, more=more: call(operation, **more)
            )
        for index in range(3):
            call(f"delete_{kind}_policy", PolicyName=f"p{index}")
    iam.tag_role(RoleName="holder", Tags=[{"Key": "a", "Value": "b"}])
    checks.equal("a role's tags", iam.list_role_tags(RoleName="holder")["Tags"], [{"Key": "a", "Value": "b"}])
    iam.untag_role(RoleName="holder", TagKeys=["A"])
    iam.update_role(RoleName="holder", MaxSessionDuration=7200)
    trust = json.loads(EC2_TRUST)
    trust["Statement"]["Principal"] = {"Service": "pods.eks.amazonaws.com"}
    iam.update_assume_role_policy(RoleName="holder", PolicyDocument=json.dumps(trust))
    read = iam.get_role(RoleName="holder")["Role"]
    checks.equal(
        "a role that was changed",
        (read["MaxSessionDuration"], read["AssumeRolePolicyDocument"], "Tags" in read),
        (7200, trust, False),
    )
    names = [one["RoleName"] for one in pages(iam, "list_roles", "Roles")[0]]
    checks.check("roles by pages", "holder" in names, names)
    version = iam.get_policy(PolicyArn=boundary)["Policy"]["DefaultVersionId"]
    read = iam.get_policy_version(PolicyArn=boundary, VersionId=version)["PolicyVersion"]
    checks.equal("a policy's document", read["Document"]["Statement"][0]["Effect"], "Allow")
    iam.delete_role(RoleName="holder")
    iam.delete_user(UserName="holder")
    iam.delete_group(GroupName="holder")


def providers(checks, iam):
    issuer = "https://issuer.example/path"
    arn = iam.create_open_id_connect_provider(Url=issuer, ClientIDList=["a"])["OpenIDConnectProviderArn"]
    of = {"OpenIDConnectProviderArn": arn}
    iam.add_client_id_to_open_id_connect_provider(**of, ClientID="b")
    iam.remove_client_id_from_open_id_connect_provider(**of, ClientID="a")
    iam.update_open_id_connect_provider_thumbprint(**of, ThumbprintList=["a" * 40])
    iam.tag_open_id_connect_provider(**of, Tags=[{"Key": "a", "Value": "b"}, {"Key": "c", "Value": ""}])
    iam.untag_open_id_connect_provider(**of, TagKeys=["c"])
    tags = iam.list_open_id_connect_provider_tags(**of)["Tags"]
    checks.equal("a provider's tags", tags, [{"Key": "a", "Value": "b"}])
    read = iam.get_open_id_connect_provider(**of)
    found = (read["Url"], read["ClientIDList"], read["ThumbprintList"])
    checks.equal("a provider", found, (issuer.removeprefix("https://"), ["b"], ["a" * 40]))
    listed = [one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    checks.check("is listed", arn in listed, listed)
    checks.refused(
        "one issuer twice",
        "EntityAlreadyExists",
        lambda: iam.create_open_id_connect_provider(Url=issuer),
        409,
    )
    checks.refused(
        "an issuer without TLS",
        "InvalidInput",
        lambda: iam.create_open_id_connect_provider(Url="http://issuer.example"),
    )
    iam.delete_open_id_connect_provider(**of)
    checks.refused("it is gone", "NoSuchEntity", lambda: iam.get_open_id_connect_provider(**of), 404)


def roles_and_profiles(checks, iam, account, boundary):
    iam.create_role(RoleName="node", AssumeRolePolicyDocument=EC2_TRUST)
    iam.put_role_permissions_boundary(RoleName="node", PermissionsBoundary=boundary)
    described = iam.update_role_description(RoleName="node", Description="a node")["Role"]
    checks.equal("a role's description", described["Description"], "a node")
    profile = iam.create_instance_profile(InstanceProfileName="node", Path="/x/")["InstanceProfile"]
    checks.equal("an instance profile", profile["Arn"], f"arn:aws:iam::{account}:instance-profile/x/node")
    checks.equal("is empty", profile["Roles"], [])
    iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
    checks.refused(
        "a second role",
        "LimitExceeded",
        lambda: iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node"),
    )
    read = iam.get_instance_profile(InstanceProfileName="node")["InstanceProfile"]
    checks.equal("its role", read["Roles"][0]["AssumeRolePolicyDocument"], json.loads(EC2_TRUST))
    for index in range(2):
        iam.create_instance_profile(InstanceProfileName=f"spare{index}")
    listed, count = pages(iam, "list_instance_profiles", "InstanceProfiles")
    checks.equal("three in two pages", (len(listed), count), (3, 2))
    for_role = iam.list_instance_profiles_for_role(RoleName="node")["InstanceProfiles"]
    checks.equal("of the role", [one["InstanceProfileName"] for one in for_role], ["node"])
    iam.tag_instance_profile(InstanceProfileName="node", Tags=[{"Key": "a", "Value": "b"}])
    tags = iam.list_instance_profile_tags(InstanceProfileName="node")["Tags"]
    checks.equal("its tags", tags, [{"Key": "a", "Value": "b"}])
    iam.untag_instance_profile(InstanceProfileName="node", TagKeys=["a"])
    checks.refused("a profile keeps its role", "DeleteConflict", lambda: iam.delete_role(RoleName="node"))
    checks.refused(
        "a role keeps its profile",
        "DeleteConflict",
        lambda: iam.delete_instance_profile(InstanceProfileName="node"),
    )
    checks.refused(
        "no such profile",
        "NoSuchEntity",
        lambda: iam.get_instance_profile(InstanceProfileName="other"),
    )
    checks.refused(
        "one name twice",
        "EntityAlreadyExists",
        lambda: iam.create_instance_profile(InstanceProfileName="NODE"),
    )


def account_reports(checks, iam):
    summary = iam.get_account_summary()["SummaryMap"]
    checks.equal("users in the summary", summary["Users"], 6)
    checks.equal("quota of trust policies", summary["AssumeRolePolicySizeQuota"], 2048)
    paginator = iam.get_paginator("get_account_authorization_details")
    details = {"UserDetailList": [], "RoleDetailList": [], "Policies": []}
    for page in paginator.paginate(PaginationConfig={"PageSize": 2}):
        for key, items in details.items():
            items.extend(page[key])
    names = [one["UserName"] for one in details["UserDetailList"]]
    checks.equal("details of all users", names, ["admin", "dev1", "dev2", "dev3", "dev4", "dev6"])
    node = [one for one in details["RoleDetailList"] if one["RoleName"] == "node"][0]
    checks.equal("a role's profiles", node["InstanceProfileList"][0]["InstanceProfileName"], "node")
    checks.check("policies with their versions", all(one["PolicyVersionList"] for one in details["Policies"]))
    only = iam.get_account_authorization_details(Filter=["Group"])
    checks.equal("only groups", (only["UserDetailList"], only["RoleDetailList"]), ([], []))
    checks.refused(
        "a filter",
        "ValidationError",
        lambda: iam.get_account_authorization_details(Filter=["Everything"]),
    )


def simulations(checks, iam, account):
    document = policy(
        statement("s3:GetObject", "arn:aws:s3:::b/open/*"),
        statement("s3:*", "arn:aws:s3:::b/secret/*", "Deny"),
        statement("s3:PutObject", Condition={"StringEquals": {"aws:RequestTag/team": "a"}}),
    )

    def custom(action, resource, **more):
        return iam.simulate_custom_policy(
            PolicyInputList=[document], ActionNames=[action], ResourceArns=[resource], **more
        )["EvaluationResults"][0]

    opened = custom("s3:GetObject", "arn:aws:s3:::b/open/a")
    checks.equal("an Allow", opened["EvalDecision"], "allowed")
    checks.equal("by whom", opened["MatchedStatements"][0]["SourcePolicyId"], "PolicyInputList.1")
    start = opened["MatchedStatements"][0]["StartPosition"]
    checks.equal("where it begins", document[start["Column"] - 1 :][:18], '{"Effect": "Allow"')
    secret = custom("s3:GetObject", "arn:aws:s3:::b/secret/a")
    checks.equal("a Deny", secret["EvalDecision"], "explicitDeny")
    other = custom("s3:GetObject", "arn:aws:s3:::c/a")
    checks.equal("neither", (other["EvalDecision"], other["MatchedStatements"]), ("implicitDeny", []))
    missing = custom("s3:PutObject", "arn:aws:s3:::b/a")
    checks.equal("a missing key", missing["MissingContextValues"], ["aws:RequestTag/team"])
    entry = {"ContextKeyName": "aws:RequestTag/team", "ContextKeyType": "string", "ContextKeyValues": ["a"]}
    given = custom("s3:PutObject", "arn:aws:s3:::b/a", ContextEntries=[entry])
    checks.equal("which is given", (given["EvalDecision"], given["MissingContextValues"]), ("allowed", []))
    bounded = custom(
        "s3:GetObject",
        "arn:aws:s3:::b/open/a",
        PermissionsBoundaryPolicyInputList=[policy(statement("ec2:*"))],
    )
    checks.equal("beyond a boundary", bounded["EvalDecision"], "implicitDeny")
    checks.equal(
        "which says so",
        bounded["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"],
        False,
    )
    keys = iam.get_context_keys_for_custom_policy(PolicyInputList=[document])["ContextKeyNames"]
    checks.equal("keys of a policy", keys, ["aws:RequestTag/team"])

    arn = f"arn:aws:iam::{account}:role/node"
    iam.put_role_policy(RoleName="node", PolicyName="p", PolicyDocument=document)
    found, count = [], 0
    paginator = iam.get_paginator("simulate_principal_policy")
    for page in paginator.paginate(
        PolicySourceArn=arn,
        ActionNames=["s3:GetObject", "s3:PutObject", "iam:GetUser"],
        ResourceArns=["arn:aws:s3:::b/open/a"],
        PaginationConfig={"PageSize": 2},
    ):
        found.extend(one["EvalDecision"] for one in page["EvaluationResults"])
        count += 1
    checks.equal("of a role, in its boundary", found, ["allowed", "implicitDeny", "implicitDeny"])
    checks.equal("in two pages", count, 2)
    keys = iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"]
    checks.equal("keys of a role", keys, ["aws:RequestTag/team"])
    admin = f"arn:aws:iam::{account}:user/admin"
    shared = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Deny",
                "Principal": {"AWS": admin},
                "Action": "s3:GetObject",
                "Resource": "arn:aws:s3:::b/*",
            },
        }
    )
    asked = {"ActionNames": ["s3:GetObject"], "ResourceArns": ["arn:aws:s3:::b/x"]}
    denied = iam.simulate_principal_policy(PolicySourceArn=admin, ResourcePolicy=shared, **asked)
    checks.equal(
        "a resource's policy",
        denied["EvaluationResults"][0]["EvalDecision"],
        "explicitDeny",
    )
    checks.refused(
        "a resource's policy without a user",
        "InvalidInput",
        lambda: iam.simulate_principal_policy(PolicySourceArn=arn, ResourcePolicy=shared, **asked),
    )
    checks.refused(
        "a role as CallerArn",
        "InvalidInput",
        lambda: iam.simulate_principal_policy(PolicySourceArn=arn, CallerArn=arn, **asked),
    )
    checks.refused(
        "nobody's policies",
        "NoSuchEntity",
        lambda: iam.simulate_principal_policy(PolicySourceArn=arn + "x", **asked),
    )
    checks.refused(
        "a broken policy",
        "InvalidInput",
        lambda: iam.simulate_custom_policy(PolicyInputList=["{"], ActionNames=["s3:GetObject"]),
    )
    iam.delete_role_policy(RoleName="node", PolicyName="p")


def clean_up(checks, iam, boundary):
    iam.remove_role_from_instance_profile(InstanceProfileName="node", RoleName="node")
    checks.refused(
        "it holds no role any more",
        "NoSuchEntity",
        lambda: iam.remove_role_from_instance_profile(InstanceProfileName="node", RoleName="node"),
    )
    for name in ("node", "spare0", "spare1"):
        iam.delete_instance_profile(InstanceProfileName=name)
    iam.delete_role_permissions_boundary(RoleName="node")
    iam.delete_role(RoleName="node")
    iam.detach_user_policy(UserName="dev2", PolicyArn=boundary)
    iam.delete_user_permissions_boundary(UserName="dev3")
    checks.refused("policies keep a user", "DeleteConflict", lambda: iam.delete_user(UserName="dev1"))
    iam.delete_user_policy(UserName="dev1", PolicyName="all")
    for name in ("dev1", "dev2", "dev3", "dev4", "dev6"):
        iam.delete_user(UserName=name)
    iam.delete_policy(PolicyArn=boundary)
    checks.equal("one user is left", [one["UserName"] for one in iam.list_users()["Users"]], ["admin"])


def main():
    checks = Checks()
    admin = boto3.Session(region_name=os.environ["AWS_REGION"])
    iam = admin.client("iam", config=NO_RETRIES)
    account = admin.client("sts").get_caller_identity()["Account"]
    watch = ModelWatch(iam)
    try:
        boundary = users(checks, iam, account)
        access_keys(checks, iam, boundary)
        groups(checks, iam, account)
        policies(checks, iam, boundary)
        holders(checks, iam, boundary)
        providers(checks, iam)
        roles_and_profiles(checks, iam, account, boundary)
        account_reports(checks, iam)
        simulations(checks, iam, account)
        clean_up(checks, iam, boundary)
    except ClientError as error:
        checks.check("a call that must succeed", False, f"{error.operation_name}: {error}")
    checks.equal("every member is one of botocore's service model", watch.unknown, [])
    checks.check("operations that were looked at", len(watch.operations) > 90, len(watch.operations))
    checks.finish()


main()
