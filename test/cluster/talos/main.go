// A control plane's machine configuration as Talos makes it, patched by each file in turn as
// `talosctl patch machineconfig` does, and what Talos' own code reads of it then: a JSON line each.
//
//	talos 1.13|1.14 PATCH…
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/siderolabs/talos/pkg/machinery/config"
	"github.com/siderolabs/talos/pkg/machinery/config/configpatcher"
	"github.com/siderolabs/talos/pkg/machinery/config/generate"
	"github.com/siderolabs/talos/pkg/machinery/config/machine"
)

const (
	endpoint          = "https://10.0.0.1:6443"
	kubernetesVersion = "1.36.0"
)

// metal is a machine with its own disk.
type metal struct{}

func (metal) String() string        { return "metal" }
func (metal) RequiresInstall() bool { return false }
func (metal) InContainer() bool     { return false }

type outcome struct {
	Error           string              `json:"error,omitempty"`
	Issuer          string              `json:"issuer"`
	AcceptedIssuers []string            `json:"acceptedIssuers"`
	Audiences       []string            `json:"audiences"`
	Keys            []string            `json:"keys"`
	ExtraArgs       map[string][]string `json:"extraArgs"`
}

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(version string, patches []string) error {
	contract, err := config.ParseContractFromVersion("v" + version)
	if err != nil {
		return err
	}
	input, err := generate.NewInput("c1", endpoint, kubernetesVersion, generate.WithVersionContract(contract))
	if err != nil {
		return err
	}
	made, err := input.Config(machine.TypeControlPlane)
	if err != nil {
		return err
	}
	current := configpatcher.WithConfig(made)
	for _, path := range patches {
		loaded, err := configpatcher.LoadPatches([]string{"@" + path})
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if current, err = configpatcher.Apply(current, loaded); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		patched, err := current.Config()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := print(patched); err != nil {
			return err
		}
	}
	return nil
}

func print(patched config.Provider) error {
	encode := json.NewEncoder(os.Stdout).Encode
	if _, err := patched.Validate(metal{}); err != nil {
		return encode(outcome{Error: err.Error()})
	}
	accounts := patched.K8sServiceAccountConfig()
	result := outcome{
		Issuer:          accounts.IssuerURL(),
		AcceptedIssuers: accounts.AcceptedIssuers(),
		Audiences:       accounts.APIAudiences(),
		ExtraArgs:       patched.K8sAPIServerConfig().ExtraArgs(),
	}
	for _, key := range accounts.AcceptedKeys() {
		result.Keys = append(result.Keys, string(key.Key))
	}
	return encode(result)
}
