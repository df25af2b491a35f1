"""EKS's node groups and Fargate profiles."""

from functools import partial

from ledger import wait_for

from .eks_clusters import GONE


def check(ledger, aws, cluster, role):
    nodegroups(ledger, aws, cluster, role)
    fargate_profiles(ledger, aws, cluster, role)


def nodegroups(ledger, aws, cluster, role):
    did = partial(ledger.did, "eks", "nodegroup")
    at = {**cluster, "nodegroup_name": "workers"}
    of = {"node_role": role, "subnets": ["subnet-1"]}
    made = aws("eks create-nodegroup", **at, **of)["nodegroup"]
    aws("eks create-nodegroup", **cluster, nodegroup_name="drones", **of)
    names = aws.paged("eks nodegroup", "nodegroups", "eks list-nodegroups", **cluster)
    ledger.equal("node groups", names, ["drones", "workers"])
    did("create", "list")

    def status():
        return aws("eks describe-nodegroup", **at)["nodegroup"]["status"]

    ledger.equal("a node group is active", wait_for(status, "ACTIVE"), "ACTIVE")
    sizes = {"minSize": 1, "desiredSize": 3, "maxSize": 5}
    aws("eks update-nodegroup-config", **at, scaling_config=sizes)
    read = aws("eks describe-nodegroup", **at)["nodegroup"]
    ledger.equal("a node group", read["nodegroupArn"], made["nodegroupArn"])
    did("read")
    ledger.equal("a node group is scaled", read["scalingConfig"], sizes)
    did("update")
    aws("eks delete-nodegroup", **at)
    refusal = partial(aws.refusal, "eks describe-nodegroup", **at)
    ledger.equal("a node group is deleted", wait_for(refusal, GONE), GONE)
    did("delete")


def fargate_profiles(ledger, aws, cluster, role):
    did = partial(ledger.did, "eks", "fargate-profile")
    at = {**cluster, "fargate_profile_name": "apps"}
    of = {"pod_execution_role_arn": role, "selectors": [{"namespace": "apps"}]}
    made = aws("eks create-fargate-profile", **at, **of)["fargateProfile"]
    aws("eks create-fargate-profile", **cluster, fargate_profile_name="jobs", **of)
    listing = "eks list-fargate-profiles"
    names = aws.paged("eks fargate-profile", "fargateProfileNames", listing, **cluster)
    ledger.equal("Fargate profiles", names, ["apps", "jobs"])
    did("create", "list")

    def read():
        return aws("eks describe-fargate-profile", **at)["fargateProfile"]

    active = {**made, "status": "ACTIVE"}
    ledger.equal("a Fargate profile", wait_for(read, active), active)
    did("read")
    aws("eks delete-fargate-profile", **at)
    refusal = partial(aws.refusal, "eks describe-fargate-profile", **at)
    ledger.equal("a Fargate profile is deleted", wait_for(refusal, GONE), GONE)
    did("delete")
