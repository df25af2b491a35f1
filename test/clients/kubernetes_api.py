"""The Kubernetes API of the first file in KUBECONFIG, over HTTPS, with nothing but the standard
library and PyYAML."""

import base64
import json
import os
import ssl
import tempfile
import urllib.error
import urllib.request

import yaml


class KubernetesApi:
    def __init__(self):
        path = os.environ["KUBECONFIG"].split(os.pathsep)[0]
        with open(path, encoding="utf-8") as file:
            config = yaml.safe_load(file)
        context = named(config["contexts"], config["current-context"])["context"]
        cluster = named(config["clusters"], context["cluster"])["cluster"]
        user = named(config["users"], context["user"])["user"]
        self.server = cluster["server"]
        self.headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if "token" in user:
            self.headers["Authorization"] = f"Bearer {user['token']}"
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        tls = ssl.create_default_context(cadata=authority)
        if "client-certificate-data" in user:
            load_client_certificate(tls, user)
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
        )

    def call(self, method, path, body=None):
        """The answer as text; an answer that is not 2xx raises urllib.error.HTTPError."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.server + path, data=data, method=method, headers=self.headers
        )
        with self.opener.open(request, timeout=30) as answer:
            return answer.read().decode()

    def get(self, path):
        return json.loads(self.call("GET", path))

    def create(self, path, body):
        return json.loads(self.call("POST", path, body))

    def ensure_namespace(self, name):
        try:
            self.create(
                "/api/v1/namespaces",
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
            )
        except urllib.error.HTTPError as error:
            if error.code != 409:
                raise

    def create_service_account(self, namespace, name):
        self.ensure_namespace(namespace)
        return self.create(
            f"/api/v1/namespaces/{namespace}/serviceaccounts",
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
        )

    def create_pod(self, namespace, name, **spec):
        return self.create(
            f"/api/v1/namespaces/{namespace}/pods",
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec},
        )

    def create_idle_pod(self, namespace, name, service_account):
        """A pod that waits for a node that is not there: what its token is bound to."""
        return self.create_pod(
            namespace,
            name,
            serviceAccountName=service_account,
            nodeSelector={"no": "node"},
            containers=[{"name": "main", "image": "busybox"}],
        )

    def create_token(self, namespace, name, audience, seconds=3600, pod=None):
        """A token of a service account, bound to a pod if one is given."""
        spec = {"audiences": [audience], "expirationSeconds": seconds}
        if pod is not None:
            bound = {"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", **bound}
        answer = self.create(
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
        )
        return answer["status"]["token"]


def named(entries, name):
    return next(entry for entry in entries if entry["name"] == name)


def load_client_certificate(tls, user):
    """The ssl module reads certificates from files only."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = os.path.join(folder, "tls.crt")
        key = os.path.join(folder, "tls.key")
        for path, field in ((certificate, "client-certificate-data"), (key, "client-key-data")):
            with open(path, "wb") as file:
                file.write(base64.b64decode(user[field]))
        tls.load_cert_chain(certificate, key)
