"""Everything that resources.yaml lists, by boto3."""
