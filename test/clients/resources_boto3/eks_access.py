"""EKS's access entries and the access policies of them."""

from functools import partial

from .aws import paged

VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


def check(ledger, aws, cluster, roles):
    eks = aws.client("eks")
    did = partial(ledger.did, "eks", "access-entry")
    role, other = roles["pods"], roles["node"]
    at = {"clusterName": cluster, "principalArn": role}
    made = eks.create_access_entry(**at, kubernetesGroups=["readers"])["accessEntry"]
    ledger.equal("an access entry is STANDARD", made["type"], "STANDARD")
    did("create")
    eks.create_access_entry(clusterName=cluster, principalArn=other, type="EC2_LINUX")
    entries, sizes = paged(eks, "list_access_entries", "accessEntries", clusterName=cluster)
    ledger.check("entries are listed", {role, other} <= set(entries), entries)
    ledger.equal("one a page", set(sizes), {1})
    did("list", "pages")
    ledger.equal("an entry", eks.describe_access_entry(**at)["accessEntry"], made)
    did("read")
    eks.update_access_entry(**at, kubernetesGroups=["writers"])
    found = eks.describe_access_entry(**at)["accessEntry"]
    ledger.equal("an entry is updated", found["kubernetesGroups"], ["writers"])
    did("update")
    policies(ledger, eks, at)
    ledger.refused(
        "groups of the system",
        "InvalidParameterException",
        lambda: eks.update_access_entry(**at, kubernetesGroups=["system:masters"]),
        400,
    )
    for principal in (role, other):
        eks.delete_access_entry(clusterName=cluster, principalArn=principal)
    ledger.refused(
        "an entry that is gone",
        "ResourceNotFoundException",
        lambda: eks.describe_access_entry(**at),
        404,
    )
    did("delete")


def policies(ledger, eks, at):
    found, sizes = paged(eks, "list_access_policies", "accessPolicies", 10)
    ledger.check("access policies are listed", VIEW in [one["arn"] for one in found], found)
    ledger.check("in pages", len(sizes) >= 2 and set(sizes[:-1]) == {10}, sizes)
    ledger.did("eks", "access-policy", "list", "pages")
    did = partial(ledger.did, "eks", "access-policy-association")
    operation = "list_associated_access_policies"
    scope = {"type": "namespace", "namespaces": ["apps"]}
    eks.associate_access_policy(**at, policyArn=VIEW, accessScope=scope)
    names, _ = paged(eks, operation, "associatedAccessPolicies", **at)
    found = [(one["policyArn"], one["accessScope"]) for one in names]
    ledger.equal("a policy is associated", found, [(VIEW, scope)])
    did("create", "list")
    eks.disassociate_access_policy(**at, policyArn=VIEW)
    names, _ = paged(eks, operation, "associatedAccessPolicies", **at)
    ledger.equal("none is associated", names, [])
    did("delete")
