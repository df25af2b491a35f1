package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
)

// kubeconfig is the part of the file that is needed here; the sandbox writes it as JSON.
type kubeconfig struct {
	Clusters []struct {
		Cluster struct {
			Server    string
			Authority string `json:"certificate-authority-data"`
		}
	}
	Users []struct {
		User struct{ Token string }
	}
}

// kubernetes is the API of the first cluster in KUBECONFIG.
type kubernetes struct {
	server, token string
	client        http.Client
}

func openKubernetes() kubernetes {
	var config kubeconfig
	must(0, json.Unmarshal(must(os.ReadFile(os.Getenv("KUBECONFIG"))), &config))
	cluster := config.Clusters[0].Cluster
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(must(base64.StdEncoding.DecodeString(cluster.Authority)))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities}}
	return kubernetes{cluster.Server, config.Users[0].User.Token, http.Client{Transport: transport}}
}

func (k kubernetes) create(ctx context.Context, path string, object any) []byte {
	body := bytes.NewBufferString(asJSON(object))
	request := must(http.NewRequestWithContext(ctx, http.MethodPost, k.server+path, body))
	request.Header.Set("Authorization", "Bearer "+k.token)
	request.Header.Set("Content-Type", "application/json")
	response := must(k.client.Do(request))
	defer response.Body.Close()
	answer := must(io.ReadAll(response.Body))
	equal(string(answer), response.StatusCode, http.StatusCreated)
	return answer
}

// serviceAccountToken makes a service account in the namespace `default` and asks for its token.
func (k kubernetes) serviceAccountToken(ctx context.Context, name, audience string) string {
	const accounts = "/api/v1/namespaces/default/serviceaccounts"
	k.create(ctx, accounts, map[string]any{
		"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": name},
	})
	var answer struct{ Status struct{ Token string } }
	must(0, json.Unmarshal(k.create(ctx, accounts+"/"+name+"/token", map[string]any{
		"apiVersion": "authentication.k8s.io/v1",
		"kind":       "TokenRequest",
		"spec":       map[string]any{"audiences": []string{audience}, "expirationSeconds": 3600},
	}), &answer))
	return answer.Status.Token
}
