"""EC2's regions, and the sandbox's nodes as its instances."""


def check(ledger, aws):
    regions = [one["RegionName"] for one in aws("ec2 describe-regions")["Regions"]]
    ledger.check("regions", "us-east-1" in regions, regions)
    ledger.did("ec2", "region", "list")
    # EC2's smallest page is five: the sandbox runs with six nodes.
    groups = aws.paged("ec2 instance", "Reservations", "ec2 describe-instances", 5)
    found = [one["State"]["Name"] for group in groups for one in group["Instances"]]
    ledger.equal("the nodes are instances", found, ["running"] * 6)
    ledger.did("ec2", "instance", "list")
