"""What a user of the sandbox tests: a role, its policy, and what a session of it may do."""

import json

import boto3
import pytest
from botocore.exceptions import ClientError

TRUST = {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::app-data/*"}


def document(statement):
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


@pytest.fixture
def reader():
    """S3 as a session of the role sees it."""
    iam, sts, s3 = (boto3.client(name) for name in ("iam", "sts", "s3"))
    s3.create_bucket(Bucket="app-data")
    s3.put_object(Bucket="app-data", Key="report", Body=b"figures")
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=document(TRUST))["Role"]
    iam.put_role_policy(RoleName="reader", PolicyName="read", PolicyDocument=document(READ))
    key = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]
    return boto3.client(
        "s3",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key["SessionToken"],
    )


def test_a_reader_reads_and_does_not_write(reader):
    assert reader.get_object(Bucket="app-data", Key="report")["Body"].read() == b"figures"
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.put_object(Bucket="app-data", Key="report", Body=b"other")
