package cluster

import (
	"strings"
	"testing"
)

// TestAddresses pins what others could connect to.
func TestAddresses(t *testing.T) {
	for addr, ok := range map[string]bool{
		"10.0.0.5:7001": true, "[2001:db8::1]:1": true, "localhost:65535": true, "node_1.svc.:80": true, "127.0.0.1:7001": true,
		"": false, ":7001": false, "10.0.0.5": false, "10.0.0.5:": false, "10.0.0.5:0": false, "10.0.0.5:65536": false,
		"10.0.0.5:+1": false, "10.0.0.5:http": false, "0.0.0.0:1": false, "[::]:1": false, "224.0.0.1:1": false,
		"[fe80::1%eth0]:1": false, "2001:db8::1:7001": false, "http://a:1": false, "a b:1": false, "a\n:1": false,
		"a/b:1": false, "u@h:1": false, "-a:1": false, strings.Repeat("a", 254) + ":1": false, "h:000001": false,
	} {
		if err := CheckAddress(addr); (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

// TestListenAddresses: a node may listen where others cannot connect to.
func TestListenAddresses(t *testing.T) {
	for addr, ok := range map[string]bool{
		"10.0.0.5:7001": true, ":0": true, ":7001": true, "0.0.0.0:7001": true, "[::]:1": true, "127.0.0.1:0": true,
		"[fe80::1%eth0]:1": true, "localhost:0": true,
		"": false, "10.0.0.5": false, "10.0.0.5:": false, "10.0.0.5:65536": false, "10.0.0.5:+1": false, "10.0.0.5:http": false,
		"224.0.0.1:1": false, "http://a:1": false, "a b:1": false, "u@h:1": false, "h:000001": false,
	} {
		if err := CheckListen(addr); (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

// TestIDs pins what a node's ID may be.
func TestIDs(t *testing.T) {
	for id, ok := range map[string]bool{
		"n1": true, "A.z_9-": true, strings.Repeat("n", 64): true, ".": true,
		"": false, strings.Repeat("n", 65): false, "../n1": false, "n1\n": false, "nö": false, "n 1": false,
	} {
		if err := CheckID(id); (err == nil) != ok {
			t.Errorf("%q: %v", id, err)
		}
	}
}
