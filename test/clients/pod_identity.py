"""EKS Pod Identity as a user of the AWS CLI sees it: an association made by `aws eks`, a pod made
over the Kubernetes API, credentials through webhook and agent."""

import json
import subprocess
import time
import urllib.error

from checks import Checks
from kubernetes_api import KubernetesApi

NAMESPACE, NAME, ROLE = "clients", "worker", "clients-worker"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {
                "StringEquals": {
                    "aws:RequestTag/kubernetes-namespace": NAMESPACE,
                    "aws:RequestTag/kubernetes-service-account": NAME,
                }
            },
        }
    ],
}


def aws(*words):
    """Runs the AWS CLI and reads the JSON that it prints."""
    done = subprocess.run(
        ["aws", *words, "--output", "json"], capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0:
        raise RuntimeError(f"aws {' '.join(words[:2])}: {done.stderr.strip()}")
    return json.loads(done.stdout) if done.stdout.strip() else None


def create_pod(kubernetes, name, service_account=NAME):
    return kubernetes.create_pod(
        NAMESPACE,
        name,
        serviceAccountName=service_account,
        restartPolicy="Never",
        # The image runs as root, and the CLI may lie in a folder of root's here.
        securityContext={"runAsUser": 0},
        containers=[
            {
                "name": "main",
                "image": "amazon/aws-cli",
                "command": ["aws", "sts", "get-caller-identity", "--output", "json"],
                "env": [
                    {"name": "AWS_MAX_ATTEMPTS", "value": "1"},
                    {"name": "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "value": "1"},
                ],
            }
        ],
    )


def wait_for_pod(kubernetes, name, seconds=90):
    """The pod's phase and log once it has ended, or as they are when the time is up."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}"
    end = time.monotonic() + seconds
    phase = None
    while time.monotonic() < end:
        phase = kubernetes.get(path).get("status", {}).get("phase")
        if phase in ("Succeeded", "Failed"):
            break
        time.sleep(0.2)
    try:
        log = kubernetes.call("GET", f"{path}/log")
    except urllib.error.HTTPError as error:
        log = f"no log: {error}"
    return phase, log


def is_injected(pod):
    names = [one["name"] for one in pod["spec"]["containers"][0].get("env", [])]
    return "AWS_CONTAINER_CREDENTIALS_FULL_URI" in names


def create_injected_pod(kubernetes, prefix):
    """The webhook may need a moment to hear of an association, as on AWS: a pod that was made too
    early is left alone and another is made."""
    name = prefix
    for attempt in range(40):
        name = f"{prefix}-{attempt}"
        if is_injected(create_pod(kubernetes, name)):
            return name, True
        time.sleep(0.25)
    return name, False


def refuse_others(checks, kubernetes):
    kubernetes.create_service_account(NAMESPACE, "idler")
    pod = create_pod(kubernetes, "idler", "idler")
    checks.check("a pod of another service account is not mutated", not is_injected(pod))
    phase, log = wait_for_pod(kubernetes, "idler")
    checks.check("and has no credentials", phase == "Failed", f"{phase}: {log}")


def main():
    checks = Checks()
    kubernetes = KubernetesApi()
    kubernetes.create_service_account(NAMESPACE, NAME)
    account = aws("sts", "get-caller-identity")["Account"]
    cluster = aws("eks", "list-clusters")["clusters"][0]
    role = aws(
        *("iam", "create-role", "--role-name", ROLE),
        *("--assume-role-policy-document", json.dumps(TRUST)),
    )["Role"]["Arn"]

    created = aws(
        *("eks", "create-pod-identity-association", "--cluster-name", cluster),
        *("--namespace", NAMESPACE, "--service-account", NAME, "--role-arn", role),
    )["association"]
    checks.equal("the association names the role", created["roleArn"], role)
    listed = aws("eks", "list-pod-identity-associations", "--cluster-name", cluster)
    checks.check(
        "the association is listed",
        created["associationId"] in [one["associationId"] for one in listed["associations"]],
        listed,
    )

    name, injected = create_injected_pod(kubernetes, "worker")
    checks.check("the webhook gives the pod its credentials' address", injected)
    phase, log = wait_for_pod(kubernetes, name)
    if checks.check("the pod's AWS CLI ends well", phase == "Succeeded", f"{phase}: {log}"):
        identity = json.loads(log)
        checks.equal("it is in the role's account", identity["Account"], account)
        checks.check(
            "it is a session of the role",
            identity["Arn"].startswith(f"arn:aws:sts::{account}:assumed-role/{ROLE}/"),
            identity["Arn"],
        )
    refuse_others(checks, kubernetes)

    aws(
        *("eks", "delete-pod-identity-association", "--cluster-name", cluster),
        *("--association-id", created["associationId"]),
    )
    create_pod(kubernetes, "worker-after")
    phase, log = wait_for_pod(kubernetes, "worker-after")
    checks.check(
        "without the association the next pod is refused", phase == "Failed", f"{phase}: {log}"
    )
    checks.check("and its log holds no identity", "assumed-role" not in log, log)
    checks.finish()


main()
