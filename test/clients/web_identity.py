"""A service account of the sandbox's cluster assumes a role with its token, by boto3 alone."""

import json
import os

import boto3
from botocore.exceptions import ClientError

from checks import NO_RETRIES, Checks
from kubernetes_api import KubernetesApi

NAMESPACE, NAME = "clients", "reader"
ROLE, BUCKET = "clients-reader", "clients-web-identity"
AUDIENCE = "sts.amazonaws.com"


def create_provider(iam, account, issuer):
    """The IAM OIDC provider of the cluster; somebody may have made it already."""
    host = issuer.removeprefix("https://")
    try:
        iam.create_open_id_connect_provider(Url=issuer, ClientIDList=[AUDIENCE])
    except ClientError as error:
        if error.response["Error"]["Code"] != "EntityAlreadyExists":
            raise
    return f"arn:aws:iam::{account}:oidc-provider/{host}", host


def create_role(iam, provider, host):
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Federated": provider},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{host}:aud": AUDIENCE,
                    f"{host}:sub": f"system:serviceaccount:{NAMESPACE}:{NAME}",
                }
            },
        },
    }
    permissions = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{BUCKET}/open/*",
            }
        ],
    }
    role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    iam.put_role_policy(
        RoleName=ROLE, PolicyName="read", PolicyDocument=json.dumps(permissions)
    )
    return role


def create_bucket(s3):
    region = os.environ["AWS_REGION"]
    where = {} if region == "us-east-1" else {"LocationConstraint": region}
    s3.create_bucket(
        Bucket=BUCKET, **({"CreateBucketConfiguration": where} if where else {})
    )
    for key in ("open/hello.txt", "closed/secret.txt"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=f"this is {key}".encode())


def client_of(service, credentials):
    return boto3.client(
        service,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        config=NO_RETRIES,
    )


def main():
    checks = Checks()
    admin = boto3.Session(region_name=os.environ["AWS_REGION"])
    sts, iam, s3, eks = (admin.client(name) for name in ("sts", "iam", "s3", "eks"))
    account = sts.get_caller_identity()["Account"]

    cluster = eks.list_clusters()["clusters"][0]
    issuer = eks.describe_cluster(name=cluster)["cluster"]["identity"]["oidc"]["issuer"]
    checks.check("the cluster says who its issuer is", issuer.startswith("https://"), issuer)

    provider, host = create_provider(iam, account, issuer)
    listed = [one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    checks.check("IAM lists the provider", provider in listed, f"{provider} not in {listed}")

    role = create_role(iam, provider, host)
    create_bucket(s3)
    kubernetes = KubernetesApi()
    kubernetes.create_service_account(NAMESPACE, NAME)
    kubernetes.create_service_account(NAMESPACE, "somebody-else")
    token = kubernetes.create_token(NAMESPACE, NAME, AUDIENCE)

    # STS is asked without any key: the token is all there is.
    nobody = boto3.client("sts", config=NO_RETRIES)
    answer = checks.allowed(
        "the token assumes the role",
        lambda: nobody.assume_role_with_web_identity(
            RoleArn=role["Arn"], RoleSessionName="boto3", WebIdentityToken=token
        ),
    )
    if answer is None:
        checks.finish()
    checks.equal("the answer names the audience", answer["Audience"], AUDIENCE)
    checks.equal(
        "the answer names the subject",
        answer["SubjectFromWebIdentityToken"],
        f"system:serviceaccount:{NAMESPACE}:{NAME}",
    )

    identity = client_of("sts", answer["Credentials"]).get_caller_identity()
    checks.equal(
        "GetCallerIdentity shows the session",
        identity["Arn"],
        f"arn:aws:sts::{account}:assumed-role/{ROLE}/boto3",
    )
    mine = client_of("s3", answer["Credentials"])
    body = checks.allowed(
        "the session reads what the role allows",
        lambda: mine.get_object(Bucket=BUCKET, Key="open/hello.txt")["Body"].read(),
    )
    checks.equal("the object is what was put", body, b"this is open/hello.txt")
    checks.refused(
        "a key that the role does not allow",
        "AccessDenied",
        lambda: mine.get_object(Bucket=BUCKET, Key="closed/secret.txt"),
        403,
    )
    checks.refused(
        "writing",
        "AccessDenied",
        lambda: mine.put_object(Bucket=BUCKET, Key="open/hello.txt", Body=b"changed"),
        403,
    )
    refuse_others(checks, kubernetes, nobody, role["Arn"])
    checks.finish()


def refuse_others(checks, kubernetes, nobody, role_arn):
    for name, namespace, account, audience, code in (
        ("another service account", NAMESPACE, "somebody-else", AUDIENCE, "AccessDenied"),
        ("another audience", NAMESPACE, NAME, "vault", "InvalidIdentityToken"),
    ):
        token = kubernetes.create_token(namespace, account, audience)
        checks.refused(
            f"the cluster's token of {name}",
            code,
            lambda token=token: nobody.assume_role_with_web_identity(
                RoleArn=role_arn, RoleSessionName="boto3", WebIdentityToken=token
            ),
        )


main()
