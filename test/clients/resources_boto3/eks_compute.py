"""EKS's node groups and Fargate profiles."""

from functools import partial

from ledger import wait_for

from .aws import paged
from .eks_clusters import status_of


def check(ledger, aws, cluster, roles):
    eks = aws.client("eks")
    nodegroups(ledger, eks, cluster, roles["node"])
    fargate_profiles(ledger, eks, cluster, roles["fargate"])


def nodegroups(ledger, eks, cluster, role):
    did = partial(ledger.did, "eks", "nodegroup")
    at = {"clusterName": cluster, "nodegroupName": "workers"}
    of = {"nodeRole": role, "subnets": ["subnet-1"]}
    made = eks.create_nodegroup(**at, **of)["nodegroup"]
    ledger.equal("a node group is being created", made["status"], "CREATING")
    eks.create_nodegroup(clusterName=cluster, nodegroupName="drones", **of)

    def status():
        return status_of(partial(eks.describe_nodegroup, **at), "nodegroup", eks)

    ledger.equal("then it is active", wait_for(status, "ACTIVE"), "ACTIVE")
    did("create")
    names, sizes = paged(eks, "list_nodegroups", "nodegroups", clusterName=cluster)
    ledger.equal("node groups", (names, sizes), (["drones", "workers"], [1, 1]))
    did("list", "pages")
    read = eks.describe_nodegroup(**at)["nodegroup"]
    found = (read["nodegroupArn"], read["nodeRole"], read["subnets"])
    ledger.equal("a node group", found, (made["nodegroupArn"], role, ["subnet-1"]))
    did("read")
    sizes = {"minSize": 1, "desiredSize": 3, "maxSize": 5}
    eks.update_nodegroup_config(**at, scalingConfig=sizes)
    found = eks.describe_nodegroup(**at)["nodegroup"]["scalingConfig"]
    ledger.equal("a node group is scaled", found, sizes)
    wait_for(status, "ACTIVE")
    update = eks.update_nodegroup_version(**at)["update"]
    ledger.equal("its release is updated", update["type"], "VersionUpdate")
    did("update")
    wait_for(status, "ACTIVE")
    eks.delete_nodegroup(**at)
    eks.delete_nodegroup(clusterName=cluster, nodegroupName="drones")
    ledger.equal("a node group is deleted", wait_for(status, "GONE"), "GONE")
    did("delete")


def fargate_profiles(ledger, eks, cluster, role):
    did = partial(ledger.did, "eks", "fargate-profile")
    at = {"clusterName": cluster, "fargateProfileName": "apps"}
    of = {"podExecutionRoleArn": role, "selectors": [{"namespace": "apps"}]}
    made = eks.create_fargate_profile(**at, **of)["fargateProfile"]
    eks.create_fargate_profile(clusterName=cluster, fargateProfileName="jobs", **of)

    def status():
        return status_of(partial(eks.describe_fargate_profile, **at), "fargateProfile", eks)

    ledger.equal("a Fargate profile is active", wait_for(status, "ACTIVE"), "ACTIVE")
    did("create")
    operation = "list_fargate_profiles"
    names, sizes = paged(eks, operation, "fargateProfileNames", clusterName=cluster)
    ledger.equal("Fargate profiles", (names, sizes), (["apps", "jobs"], [1, 1]))
    did("list", "pages")
    read = eks.describe_fargate_profile(**at)["fargateProfile"]
    ledger.equal("a Fargate profile", read, {**made, "status": "ACTIVE"})
    did("read")
    eks.delete_fargate_profile(**at)
    ledger.equal("a Fargate profile is deleted", wait_for(status, "GONE"), "GONE")
    did("delete")
    eks.delete_fargate_profile(clusterName=cluster, fargateProfileName="jobs")
