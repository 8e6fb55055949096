// Command control-plane is a Kubernetes API server, its etcd and kubectl in one binary, for tests.
//
// The name it is called by decides what it is, as with the three binaries in a KUBEBUILDER_ASSETS
// folder; it takes their flags. The script `e2e/build` makes the links.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "etcd":
		etcdmain.Main(os.Args)
	case "kubectl":
		// It prints errors and decides on the exit status itself.
		util.CheckErr(cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()))
	default:
		fmt.Fprintf(os.Stderr, "called as %q: make a link named kube-apiserver, etcd or kubectl\n", name)
		os.Exit(2)
	}
}
