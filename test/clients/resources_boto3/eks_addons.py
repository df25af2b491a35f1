"""EKS's add-ons, and what it tells of them."""

from functools import partial

from ledger import wait_for

from .aws import paged
from .eks_clusters import status_of


def check(ledger, aws, cluster, role):
    eks = aws.client("eks")
    did = partial(ledger.did, "eks", "addon")
    at = {"clusterName": cluster, "addonName": "vpc-cni"}
    own = [{"serviceAccount": "aws-node", "roleArn": role}]
    made = eks.create_addon(**at, podIdentityAssociations=own)["addon"]
    ledger.equal("an add-on is being created", made["status"], "CREATING")

    def status():
        return status_of(partial(eks.describe_addon, **at), "addon", eks)

    ledger.equal("then it is active", wait_for(status, "ACTIVE"), "ACTIVE")
    did("create")
    operation = "list_pod_identity_associations"
    owned, _ = paged(eks, operation, "associations", clusterName=cluster)
    owners = [one.get("ownerArn") for one in owned]
    ledger.check("its association is owned by it", made["addonArn"] in owners, owners)
    eks.create_addon(clusterName=cluster, addonName="coredns")
    names, sizes = paged(eks, "list_addons", "addons", clusterName=cluster)
    ledger.equal("add-ons", (names, sizes), (["coredns", "vpc-cni"], [1, 1]))
    did("list", "pages")
    version = catalogue(ledger, eks)
    read = eks.describe_addon(**at)["addon"]
    found = (read["addonArn"], read["addonVersion"])
    ledger.equal("an add-on", found, (made["addonArn"], version))
    did("read")
    update = eks.update_addon(**at, podIdentityAssociations=[])["update"]
    told = eks.describe_update(name=cluster, addonName="vpc-cni", updateId=update["id"])["update"]
    ledger.equal("it is updated", told["type"], "AddonUpdate")
    wait_for(status, "ACTIVE")
    read = eks.describe_addon(**at)["addon"]
    ledger.equal("it owns none", read.get("podIdentityAssociations"), None)
    did("update")
    eks.delete_addon(**at)
    eks.delete_addon(clusterName=cluster, addonName="coredns")
    ledger.equal("it is deleted", wait_for(status, "GONE"), "GONE")
    did("delete")


def catalogue(ledger, eks):
    """The newest version of the add-on for the cluster's network."""
    versions, sizes = paged(eks, "describe_addon_versions", "addons", 5)
    ledger.check("add-ons there are, in pages", len(sizes) >= 2 and sizes[0] == 5, sizes)
    [addon] = [one for one in versions if one["addonName"] == "vpc-cni"]
    only = eks.describe_addon_versions(addonName="vpc-cni")["addons"]
    ledger.equal("one alone", only, [addon])
    ledger.did("eks", "addon-version", "list", "pages")
    version = addon["addonVersions"][0]["addonVersion"]
    shown = eks.describe_addon_configuration(addonName="vpc-cni", addonVersion=version)
    accounts = [one["serviceAccount"] for one in shown["podIdentityConfiguration"]]
    ledger.equal("its service accounts are told", accounts, ["aws-node"])
    ledger.did("eks", "addon-configuration", "read")
    return version
