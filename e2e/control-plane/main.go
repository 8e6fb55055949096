// Command control-plane is a Kubernetes API server, its etcd and kubectl in one binary, for tests.
//
// The name it is called by decides what it is, as with the three binaries in a KUBEBUILDER_ASSETS
// folder; it takes their flags. See build.sh for the links and README.md for how tests use it.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// exitWithInput makes a server end when its standard input does, so that none outlives a test
// process that was killed.
const exitWithInput = "CONTROL_PLANE_EXIT_WITH_STDIN"

func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "kube-apiserver":
		endWithInput()
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "etcd":
		endWithInput()
		etcdmain.Main(os.Args)
	case "kubectl":
		// It prints errors and decides on the exit status itself.
		util.CheckErr(cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()))
	default:
		fmt.Fprintf(os.Stderr, "called as %q: make a link named kube-apiserver, etcd or kubectl\n", name)
		os.Exit(2)
	}
}

func endWithInput() {
	if os.Getenv(exitWithInput) == "" {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
}
