"""EC2's regions, and the sandbox's nodes as its instances."""

from .aws import paged


def check(ledger, aws):
    ec2 = aws.client("ec2")
    regions = [one["RegionName"] for one in ec2.describe_regions()["Regions"]]
    ledger.check("regions are listed", aws.region in regions, regions)
    ledger.did("ec2", "region", "list")
    groups, sizes = paged(ec2, "describe_instances", "Reservations", 5)
    found = [one for group in groups for one in group["Instances"]]
    # EC2's smallest page is five: the sandbox runs with six nodes.
    ledger.equal("the nodes are instances", sizes, [5, 1])
    names = sorted(tag["Value"] for one in found for tag in one["Tags"] if tag["Key"] == "Name")
    ledger.equal("by name", names, [f"sandbox-node-{number}" for number in range(1, 7)])
    tokens = {one["MetadataOptions"]["HttpTokens"] for one in found}
    ledger.equal("with the metadata service's version 2", tokens, {"required"})
    ledger.did("ec2", "instance", "list", "pages")
    ledger.refused(
        "an unknown instance",
        "InvalidInstanceID.NotFound",
        lambda: ec2.describe_instances(InstanceIds=["i-00000000000000000"]),
        400,
    )
    ledger.refused(
        "a page too small",
        "InvalidParameterValue",
        lambda: ec2.describe_instances(MaxResults=4),
        400,
    )
