"""EKS's access entries and the access policies of them."""

from functools import partial

from .eks_clusters import GONE

VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


def check(ledger, aws, cluster, role):
    did = partial(ledger.did, "eks", "access-entry")
    at = {**cluster, "principal_arn": role}
    made = aws("eks create-access-entry", **at, kubernetes_groups=["readers"])["accessEntry"]
    entries = aws.paged("eks access-entry", "accessEntries", "eks list-access-entries", **cluster)
    ledger.check("entries", role in entries and len(entries) >= 2, entries)
    did("create", "list")
    aws("eks update-access-entry", **at, kubernetes_groups=["writers"])
    read = aws("eks describe-access-entry", **at)["accessEntry"]
    ledger.equal("an entry", read["accessEntryArn"], made["accessEntryArn"])
    did("read")
    ledger.equal("an entry is updated", read["kubernetesGroups"], ["writers"])
    did("update")
    policies(ledger, aws, at)
    aws("eks delete-access-entry", **at)
    aws.refused(GONE, "eks describe-access-entry", **at)
    did("delete")


def policies(ledger, aws, at):
    found = aws.paged("eks access-policy", "accessPolicies", "eks list-access-policies", 10)
    ledger.check("access policies", VIEW in [one["arn"] for one in found], found)
    ledger.did("eks", "access-policy", "list")
    did = partial(ledger.did, "eks", "access-policy-association")
    scope = {"type": "namespace", "namespaces": ["apps"]}
    aws("eks associate-access-policy", **at, policy_arn=VIEW, access_scope=scope)
    listing = "eks list-associated-access-policies"
    [found] = aws(listing, **at)["associatedAccessPolicies"]
    ledger.equal("associated", (found["policyArn"], found["accessScope"]), (VIEW, scope))
    did("create", "list")
    aws("eks disassociate-access-policy", **at, policy_arn=VIEW)
    ledger.equal("none is", aws(listing, **at)["associatedAccessPolicies"], [])
    did("delete")
