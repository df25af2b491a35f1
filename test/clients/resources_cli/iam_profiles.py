"""IAM's instance profiles and the role in each."""

from functools import partial


def check(ledger, aws):
    did = partial(ledger.did, "iam", "instance-profile")
    node, role = {"instance_profile_name": "node"}, {"role_name": "holder"}
    made = aws("iam create-instance-profile", **node)["InstanceProfile"]
    aws("iam create-instance-profile", instance_profile_name="spare")
    listing = "iam list-instance-profiles"
    listed = aws.paged("iam instance-profile", "InstanceProfiles", listing)
    found = [one["InstanceProfileName"] for one in listed]
    ledger.equal("instance profiles", found, ["node", "spare"])
    did("create", "list")
    aws("iam add-role-to-instance-profile", **node, **role)
    read = aws("iam get-instance-profile", **node)["InstanceProfile"]
    ledger.equal("the profile", read["InstanceProfileId"], made["InstanceProfileId"])
    did("read")
    ledger.equal("its role", [one["RoleName"] for one in read["Roles"]], ["holder"])
    ledger.did("iam", "instance-profile-role", "create")
    listing += "-for-role"
    listed = aws(listing, **role)["InstanceProfiles"]
    ledger.equal("of the role", [one["InstanceProfileName"] for one in listed], ["node"])
    ledger.did("iam", "instance-profile-role", "list")
    aws("iam remove-role-from-instance-profile", **node, **role)
    ledger.equal("of the role no more", aws(listing, **role)["InstanceProfiles"], [])
    ledger.did("iam", "instance-profile-role", "delete")
    aws("iam delete-instance-profile", **node)
    aws.refused("NoSuchEntity", "iam get-instance-profile", **node)
    did("delete")
