"""Everything that resources.yaml lists, by the AWS CLI, version 1."""
