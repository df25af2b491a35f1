"""Requests signed by botocore and then spoilt: each is refused with AWS's code.

A temporary key that has expired is not here: the shortest session lasts 900 seconds, and a
sandbox that runs cannot be told another time. The sandbox's own tests hold it.
"""

import datetime
import http.client
import json
import os
import re
import urllib.parse
from unittest import mock

import boto3
import botocore.auth
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from checks import Checks

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
REGION = os.environ["AWS_REGION"]
ROLE, BUCKET = "clients-signatures", "clients-signatures"
WHO = "Action=GetCallerIdentity&Version=2011-06-15"
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


class Signed:
    """A request as it goes over the wire, after signing: what a check changes is not signed again."""

    def __init__(self, credentials, service, method="POST", path="/", body="", headers=None):
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        self.request = AWSRequest(
            method=method, url=ENDPOINT + path, data=body.encode(), headers=headers or {}
        )
        signer(credentials, service, REGION).add_auth(self.request)
        self.method, self.path, self.body = method, path, body
        self.headers = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in self.request.headers.items()
        }

    def send(self):
        """The HTTP status and the code of the error, or None."""
        host = urllib.parse.urlsplit(ENDPOINT)
        connection = http.client.HTTPConnection(host.hostname, host.port, timeout=30)
        try:
            connection.request(self.method, self.path, self.body.encode(), self.headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, code_of(text, answer.headers.get("x-amzn-ErrorType"))
        finally:
            connection.close()


def code_of(text, header):
    if header is not None:
        return re.split("[:#]", header)[0]
    found = re.search("<Code>([^<]+)</Code>", text)
    if found is not None:
        return found.group(1)
    return json.loads(text).get("__type") if text.startswith("{") else None


def signed_at(offset):
    """Signs as if the clock of this machine were off."""
    moved = datetime.datetime.now(datetime.timezone.utc) + offset
    return mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: moved)


def assume(sts, account, name):
    answer = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/{ROLE}", RoleSessionName=name)
    key = answer["Credentials"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"])


def prepare():
    session = boto3.Session(region_name=REGION)
    sts, iam, s3 = (session.client(name) for name in ("sts", "iam", "s3"))
    account = sts.get_caller_identity()["Account"]
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": account},
            "Action": "sts:AssumeRole",
        },
    }
    permissions = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"},
    }
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName=ROLE, PolicyName="all", PolicyDocument=json.dumps(permissions))
    where = (
        {}
        if REGION == "us-east-1"
        else {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
    )
    s3.create_bucket(Bucket=BUCKET, **where)
    s3.put_object(Bucket=BUCKET, Key="a.txt", Body=b"a")
    return assume(sts, account, "first"), assume(sts, account, "second")


def main():
    checks = Checks()
    admin = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    first, second = prepare()
    for name, credentials in (("a long-term key", admin), ("a session", first)):
        answer = Signed(credentials, "sts", body=WHO, headers=FORM).send()
        checks.equal(f"{name}: a right signature", answer, (200, None))
        check_sts(checks, name, credentials)
        check_s3(checks, name, credentials)
        check_eks(checks, name, credentials)
        check_dates(checks, name, credentials)
    check_tokens(checks, first, second)
    checks.finish()


def check_sts(checks, name, credentials):
    def expect(what, code, credentials=credentials, change=None):
        request = Signed(
            credentials, "sts", body=f"{WHO}&Note=1", headers={**FORM, "X-Amz-Marker": "1"}
        )
        if change is not None:
            change(request)
        checks.equal(f"{name}: sts: {what}: {code}", request.send(), (403, code))

    def alter_body(request):
        request.body = f"{WHO}&Note=2"

    def alter_operation(request):
        request.body = "Action=NoSuchOperation&Version=2011-06-15"

    def add_query(request):
        request.path = f"/?{WHO}"

    def alter_header(request):
        request.headers["X-Amz-Marker"] = "2"

    def alter_signature(request):
        authorization = request.headers["Authorization"]
        last = "0" if authorization[-1] != "0" else "1"
        request.headers["Authorization"] = authorization[:-1] + last

    def drop(request):
        for header in ("Authorization", "X-Amz-Security-Token", "X-Amz-Date"):
            request.headers.pop(header, None)

    wrong = Credentials(credentials.access_key, "x" * 40, credentials.token)
    unknown = Credentials("AKIAIOSFODNN7EXAMPLE", credentials.secret_key)
    expect("a wrong secret", "SignatureDoesNotMatch", credentials=wrong)
    expect("a key that nobody has", "InvalidClientTokenId", credentials=unknown)
    expect("an altered body", "SignatureDoesNotMatch", change=alter_body)
    expect("a body of no operation", "SignatureDoesNotMatch", change=alter_operation)
    expect("an added query", "SignatureDoesNotMatch", change=add_query)
    expect("an altered header", "SignatureDoesNotMatch", change=alter_header)
    expect("an altered signature", "SignatureDoesNotMatch", change=alter_signature)
    expect("no signature", "MissingAuthenticationToken", change=drop)

    get = Signed(credentials, "sts", "GET", f"/?{WHO}&Note=1")
    checks.equal(f"{name}: sts: a right signature over a query", get.send(), (200, None))
    get.path = f"/?{WHO}&Note=2"
    checks.equal(
        f"{name}: sts: an altered query: SignatureDoesNotMatch",
        get.send(),
        (403, "SignatureDoesNotMatch"),
    )


def check_s3(checks, name, credentials):
    def expect(what, wanted, request):
        checks.equal(f"{name}: s3: {what}: {wanted[1]}", request.send(), wanted)

    get = Signed(credentials, "s3", "GET", f"/{BUCKET}?list-type=2&prefix=a")
    checks.equal(f"{name}: s3: a right signature", get.send(), (200, None))
    get.path = f"/{BUCKET}?list-type=2&prefix=b"
    expect("an altered query", (403, "SignatureDoesNotMatch"), get)

    key = Signed(credentials, "s3", "GET", f"/{BUCKET}/a.txt")
    key.path = f"/{BUCKET}/b.txt"
    expect("an altered key", (403, "SignatureDoesNotMatch"), key)

    put = Signed(credentials, "s3", "PUT", f"/{BUCKET}/a.txt", "abc")
    # Without this header botocore would not have signed the body.
    checks.check(
        f"{name}: s3: the body is signed", "X-Amz-Content-SHA256" in put.headers, put.headers
    )
    put.body = "abd"
    expect("an altered body", (400, "XAmzContentSHA256Mismatch"), put)

    wrong = Credentials(credentials.access_key, "x" * 40, credentials.token)
    expect(
        "a wrong secret",
        (403, "SignatureDoesNotMatch"),
        Signed(wrong, "s3", "GET", f"/{BUCKET}/a.txt"),
    )
    unknown = Credentials("AKIAIOSFODNN7EXAMPLE", credentials.secret_key)
    expect(
        "a key that nobody has",
        (403, "InvalidAccessKeyId"),
        Signed(unknown, "s3", "GET", f"/{BUCKET}/a.txt"),
    )


def check_eks(checks, name, credentials):
    """Services that speak JSON over REST have other words for the same refusals."""

    def expect(what, code, request):
        checks.equal(f"{name}: eks: {what}: {code}", request.send(), (403, code))

    right = Signed(credentials, "eks", "GET", "/clusters")
    checks.equal(f"{name}: eks: a right signature", right.send(), (200, None))
    right.path = "/clusters/nobody"
    expect("an altered path", "InvalidSignatureException", right)
    wrong = Credentials(credentials.access_key, "x" * 40, credentials.token)
    expect(
        "a wrong secret", "InvalidSignatureException", Signed(wrong, "eks", "GET", "/clusters")
    )
    unknown = Credentials("AKIAIOSFODNN7EXAMPLE", credentials.secret_key)
    expect(
        "a key that nobody has",
        "UnrecognizedClientException",
        Signed(unknown, "eks", "GET", "/clusters"),
    )


def check_dates(checks, name, credentials):
    for what, hours in (("an hour early", -1), ("an hour late", 1)):
        with signed_at(datetime.timedelta(hours=hours)):
            sts = Signed(credentials, "sts", body=WHO, headers=FORM)
            s3 = Signed(credentials, "s3", "GET", f"/{BUCKET}/a.txt")
        checks.equal(
            f"{name}: sts: a clock {what}: SignatureDoesNotMatch",
            sts.send(),
            (403, "SignatureDoesNotMatch"),
        )
        checks.equal(
            f"{name}: s3: a clock {what}: RequestTimeTooSkewed",
            s3.send(),
            (403, "RequestTimeTooSkewed"),
        )
    with signed_at(datetime.timedelta(minutes=-4)):
        near = Signed(credentials, "sts", body=WHO, headers=FORM)
    checks.equal(f"{name}: sts: a clock 4 minutes off is taken", near.send(), (200, None))


def check_tokens(checks, first, second):
    """A session token belongs to its key."""
    mixed = Credentials(first.access_key, first.secret_key, second.token)
    bare = Credentials(first.access_key, first.secret_key)
    for what, credentials in (("another key's session token", mixed), ("no session token", bare)):
        answer = Signed(credentials, "sts", body=WHO, headers=FORM).send()
        checks.equal(f"{what}: sts: InvalidClientTokenId", answer, (403, "InvalidClientTokenId"))
    checks.equal(
        "another key's session token: s3: InvalidToken",
        Signed(mixed, "s3", "GET", f"/{BUCKET}/a.txt").send(),
        (400, "InvalidToken"),
    )


main()
