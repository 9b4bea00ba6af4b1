// Package kubernetes has the manifests, and this check of them.
package kubernetes

import (
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"

	"github.com/tollgate/tollgate/node/admin/api"
)

// TestManifests: the manifests are what Kubernetes' own types read, without a field that
// these do not know, and what refers to something else in them finds it.
func TestManifests(t *testing.T) {
	raw, err := os.ReadFile("tollgate.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var set *appsv1.StatefulSet
	services := map[string]*corev1.Service{}
	var budget *policyv1.PodDisruptionBudget
	for _, doc := range strings.Split(string(raw), "\n---\n") {
		var kind struct{ Kind string }
		if err := yaml.Unmarshal([]byte(doc), &kind); err != nil {
			t.Fatal(err)
		}
		var into any
		switch kind.Kind {
		case "StatefulSet":
			set = &appsv1.StatefulSet{}
			into = set
		case "Service":
			into = &corev1.Service{}
		case "PodDisruptionBudget":
			budget = &policyv1.PodDisruptionBudget{}
			into = budget
		default:
			t.Fatalf("a %q", kind.Kind)
		}
		if err := yaml.UnmarshalStrict([]byte(doc), into); err != nil {
			t.Errorf("%s: %v", kind.Kind, err)
		}
		if s, ok := into.(*corev1.Service); ok {
			services[s.Name] = s
		}
	}
	if set == nil || budget == nil || len(services) != 3 {
		t.Fatal("a manifest is missing")
	}
	pod := set.Spec.Template
	nodes := services[set.Spec.ServiceName]
	if nodes == nil || nodes.Spec.ClusterIP != corev1.ClusterIPNone || !nodes.Spec.PublishNotReadyAddresses {
		t.Errorf("the nodes' service is %+v: they find each other by it before they are ready", nodes)
	}
	if set.Spec.PodManagementPolicy != appsv1.ParallelPodManagement || pod.Spec.EnableServiceLinks == nil || *pod.Spec.EnableServiceLinks {
		t.Error("pods must start at once, and without the variables of services")
	}
	c := pod.Spec.Containers[0]
	ports := map[string]bool{}
	for _, p := range c.Ports {
		ports[p.Name] = true
	}
	for name, s := range services {
		for key, value := range s.Spec.Selector {
			if pod.Labels[key] != value {
				t.Errorf("service %s selects %s=%s, which pods do not have", name, key, value)
			}
		}
		for _, p := range s.Spec.Ports {
			if !ports[p.TargetPort.StrVal] {
				t.Errorf("service %s leads to port %s, which there is not", name, p.TargetPort.StrVal)
			}
		}
	}
	for what, probe := range map[string]*corev1.Probe{api.HealthPath: c.LivenessProbe, api.ReadyPath: c.ReadinessProbe} {
		if probe == nil || probe.HTTPGet.Path != what || probe.HTTPGet.Scheme != corev1.URISchemeHTTPS || !ports[probe.HTTPGet.Port.StrVal] {
			t.Errorf("the probe of %s is %+v", what, probe)
		}
	}
	mounted := func(path string) bool {
		return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return strings.HasPrefix(path, m.MountPath) })
	}
	for _, v := range c.Env {
		if strings.HasSuffix(v.Name, "_FILE") && !mounted(v.Value) {
			t.Errorf("%s is %s, where nothing is mounted", v.Name, v.Value)
		}
	}
	// A stop takes the preStop, the lame duck, the drain and 5 s.
	if grace := *pod.Spec.TerminationGracePeriodSeconds; grace < 3+5+10+5 {
		t.Errorf("a pod has %d s to end", grace)
	}
	if mode := *pod.Spec.Volumes[0].Secret.DefaultMode; mode != 0o440 {
		t.Errorf("the secrets have the mode %o: the node's group reads them, and nobody else", mode)
	}
}
