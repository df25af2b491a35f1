"""EKS's Pod Identity associations, and the session that one gives to a pod."""

from functools import partial

from kubernetes_api import KubernetesApi

from .eks_clusters import GONE
from .sts import caller

NAMESPACE = "pods"


def check(ledger, aws, cluster, role):
    did = partial(ledger.did, "eks", "pod-identity-association")
    create = "eks create-pod-identity-association"
    of = {**cluster, "namespace": NAMESPACE, "role_arn": role}
    made = [aws(create, **of, service_account=name)["association"] for name in ("app", "job")]
    at = {**cluster, "association_id": made[0]["associationId"]}
    # The sandbox's webhook lists them too, so that their pages cannot be counted.
    listed = aws.resumed("associations", "eks list-pod-identity-associations", **cluster)
    found = {one["associationId"] for one in listed}
    ledger.equal("associations", found, {one["associationId"] for one in made})
    did("create", "list", "pages")
    session(ledger, aws, cluster)
    update = {"role_arn": role, "disable_session_tags": True}
    aws("eks update-pod-identity-association", **at, **update)
    read = aws("eks describe-pod-identity-association", **at)["association"]
    ledger.equal("an association", (read["serviceAccount"], read["roleArn"]), ("app", role))
    did("read")
    ledger.equal("without tags", read["disableSessionTags"], True)
    did("update")
    aws("eks delete-pod-identity-association", **at)
    aws.refused(GONE, "eks describe-pod-identity-association", **at)
    did("delete")


def session(ledger, aws, cluster):
    kubernetes = KubernetesApi()
    kubernetes.create_service_account(NAMESPACE, "app")
    pod = kubernetes.create_idle_pod(NAMESPACE, "app-1", "app")
    token = kubernetes.create_token(NAMESPACE, "app", "pods.eks.amazonaws.com", pod=pod)
    answer = aws("eks-auth assume-role-for-pod-identity", **cluster, token=token)
    key = {name[0].upper() + name[1:]: value for name, value in answer["credentials"].items()}
    ledger.equal("whose session", caller(ledger, key), answer["assumedRoleUser"]["arn"])
    ledger.did("eks-auth", "pod-identity-session", "create")
