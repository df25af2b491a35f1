"""EKS's Pod Identity associations, and the session that one gives to a pod."""

from functools import partial

from kubernetes_api import KubernetesApi

from .aws import paged

NAMESPACE = "pods"


def check(ledger, aws, cluster, roles):
    eks = aws.client("eks")
    did = partial(ledger.did, "eks", "pod-identity-association")
    made = {}
    for name in ("app", "job"):
        made[name] = eks.create_pod_identity_association(
            clusterName=cluster, namespace=NAMESPACE, serviceAccount=name, roleArn=roles["pods"]
        )["association"]
    app = made["app"]
    at = {"clusterName": cluster, "associationId": app["associationId"]}
    ledger.equal("an association", app["roleArn"], roles["pods"])
    did("create")
    of = {"clusterName": cluster, "namespace": NAMESPACE}
    listed, sizes = paged(eks, "list_pod_identity_associations", "associations", **of)
    found = {one["serviceAccount"]: one["associationId"] for one in listed}
    wanted = {name: one["associationId"] for name, one in made.items()}
    ledger.equal("associations", (found, sizes), (wanted, [1, 1]))
    did("list", "pages")
    read = eks.describe_pod_identity_association(**at)["association"]
    ledger.equal("the association", read, app)
    did("read")
    session(ledger, aws, cluster)
    eks.update_pod_identity_association(**at, roleArn=roles["pods"], disableSessionTags=True)
    read = eks.describe_pod_identity_association(**at)["association"]
    ledger.equal("without tags", read["disableSessionTags"], True)
    did("update")
    for one in made.values():
        eks.delete_pod_identity_association(
            clusterName=cluster, associationId=one["associationId"]
        )
    ledger.refused(
        "an association that is gone",
        "ResourceNotFoundException",
        lambda: eks.describe_pod_identity_association(**at),
        404,
    )
    did("delete")


def session(ledger, aws, cluster):
    kubernetes = KubernetesApi()
    kubernetes.create_service_account(NAMESPACE, "app")
    pod = kubernetes.create_idle_pod(NAMESPACE, "app-1", "app")
    token = kubernetes.create_token(NAMESPACE, "app", "pods.eks.amazonaws.com", pod=pod)
    answer = aws.client("eks-auth").assume_role_for_pod_identity(clusterName=cluster, token=token)
    key = {name[0].upper() + name[1:]: value for name, value in answer["credentials"].items()}
    arn = aws.client("sts", key).get_caller_identity()["Arn"]
    ledger.equal("whose session", answer["assumedRoleUser"]["arn"], arn)
    wanted = f"arn:aws:sts::{aws.account}:assumed-role/resources-pods/eks-{cluster[:10]}-app-1-"
    ledger.check("a session of the role", arn.startswith(wanted), arn)
    ledger.equal("of the pod", answer["subject"]["serviceAccount"], "app")
    ledger.did("eks-auth", "pod-identity-session", "create")
