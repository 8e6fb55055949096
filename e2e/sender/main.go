// sender URL COUNT sends numbered events of one Kustomization through the library that Flux's
// controllers use, with its timeouts and retries. Each is sent twice, as an idle controller does.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/fluxcd/pkg/runtime/events"
	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: sender URL COUNT")
		os.Exit(2)
	}
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "COUNT:", err)
		os.Exit(2)
	}
	failed := false
	log := funcr.New(func(prefix, line string) {
		failed = true
		fmt.Fprintln(os.Stderr, prefix, line)
	}, funcr.Options{})
	cluster := record.NewFakeRecorder(2 * count)
	recorder, err := events.NewRecorderForScheme(
		runtime.NewScheme(), cluster, log, os.Args[1], "kustomize-controller")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("kustomize.toolkit.fluxcd.io/v1")
	object.SetKind("Kustomization")
	object.SetNamespace("apps")
	object.SetName("podinfo")
	for number := range count {
		metadata := map[string]string{
			"kustomize.toolkit.fluxcd.io/revision": fmt.Sprintf("main@sha1:%040d", number),
		}
		for range 2 {
			recorder.AnnotatedEventf(object, metadata, corev1.EventTypeNormal,
				"ReconciliationSucceeded", "number %d", number)
		}
	}
	if failed {
		os.Exit(1)
	}
}
