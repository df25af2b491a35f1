"""EKS's add-ons, and what it tells of them."""

from functools import partial

from ledger import wait_for

from .eks_clusters import GONE


def check(ledger, aws, cluster):
    did = partial(ledger.did, "eks", "addon")
    at = {**cluster, "addon_name": "vpc-cni"}
    made = aws("eks create-addon", **at)["addon"]
    aws("eks create-addon", **cluster, addon_name="coredns")
    names = aws.paged("eks addon", "addons", "eks list-addons", **cluster)
    ledger.equal("add-ons", names, ["coredns", "vpc-cni"])
    did("create", "list")
    catalogue(ledger, aws, made["addonVersion"])

    def status():
        return aws("eks describe-addon", **at)["addon"]["status"]

    ledger.equal("an add-on is active", wait_for(status, "ACTIVE"), "ACTIVE")
    did("read")
    aws("eks update-addon", **at, configuration_values='{"env": {}}')
    read = aws("eks describe-addon", **at)["addon"]["configurationValues"]
    ledger.equal("it is updated", read, '{"env": {}}')
    did("update")
    aws("eks delete-addon", **at)
    ledger.equal(
        "it is deleted", wait_for(partial(aws.refusal, "eks describe-addon", **at), GONE), GONE
    )
    did("delete")


def catalogue(ledger, aws, version):
    addons = aws.paged("eks addon-version", "addons", "eks describe-addon-versions", 5)
    found = {one["addonName"]: one["addonVersions"][0]["addonVersion"] for one in addons}
    ledger.equal("the newest version", found["vpc-cni"], version)
    ledger.did("eks", "addon-version", "list")
    shown = aws(
        "eks describe-addon-configuration", addon_name="vpc-cni", addon_version=version
    )
    accounts = [one["serviceAccount"] for one in shown["podIdentityConfiguration"]]
    ledger.equal("its service accounts", accounts, ["aws-node"])
    ledger.did("eks", "addon-configuration", "read")
