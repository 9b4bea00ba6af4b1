//go:build linux

package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// subnet is a network of network namespaces, one a node, each on a wire to a
// router: the namespace this process is in, which must be one of its own. Cut
// off is who the router drops the packets of, by a routing rule, which needs no
// packet filter. Everything in it ends with the last process in it.
type subnet struct {
	n  int
	mu sync.Mutex
	// faults has the rules that are set, by pair.
	faults map[[2]int]bool
}

// Ports are alike everywhere: every node has an address of its own.
const (
	subnetListen  = 8001
	subnetAdmin   = 9001
	subnetCluster = 7001
)

// newSubnet makes the namespaces of n nodes. The caller must be in a mount
// namespace and a network namespace of its own.
func newSubnet(n int) (*subnet, error) {
	s := &subnet{n: n, faults: map[[2]int]bool{}}
	// ip keeps the names of namespaces below /run: not in everybody's.
	if err := syscall.Mount("none", "/run", "tmpfs", 0, ""); err != nil {
		return nil, fmt.Errorf("mount on /run: %w", err)
	}
	if err := ip("link set lo up"); err != nil {
		return nil, err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return nil, err
	}
	for i := range n {
		name, wire := s.name(i), "v"+strconv.Itoa(i+1)
		for _, line := range []string{
			"netns add " + name,
			"link add " + wire + " type veth peer name eth0 netns " + name,
			"addr add " + s.router(i) + "/24 dev " + wire,
			"link set " + wire + " up",
			"-n " + name + " link set lo up",
			"-n " + name + " addr add " + s.host(i) + "/24 dev eth0",
			"-n " + name + " link set eth0 up",
			"-n " + name + " route add default via " + s.router(i),
		} {
			if err := ip(line); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// ip runs an ip command.
func ip(line string) error {
	out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", line, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (s *subnet) name(i int) string   { return "n" + strconv.Itoa(i+1) }
func (s *subnet) host(i int) string   { return fmt.Sprintf("10.77.%d.2", i+1) }
func (s *subnet) router(i int) string { return fmt.Sprintf("10.77.%d.1", i+1) }

func (s *subnet) place(i int) place {
	at := func(port int) string { return fmt.Sprintf("%s:%d", s.host(i), port) }
	return place{listen: at(subnetListen), admin: at(subnetAdmin), cluster: at(subnetCluster), advertise: at(subnetCluster)}
}

func (s *subnet) command(i int, name string, args []string) (string, []string) {
	// ip becomes the command: its process ID is the node's.
	return "ip", append([]string{"netns", "exec", s.name(i), name}, args...)
}

// set has the router drop, or turn away, what from sends to to.
func (s *subnet) set(from, to int, w weather) {
	s.mu.Lock() // faults of two nodes may be of one pair
	defer s.mu.Unlock()
	pair := [2]int{from, to}
	rule := fmt.Sprintf("pref %d from %s to %s", 1000+from*s.n+to, s.host(from), s.host(to))
	if s.faults[pair] {
		s.must("rule del " + rule)
	}
	s.faults[pair] = w.lost || w.refused
	switch {
	case w.lost:
		s.must("rule add " + rule + " blackhole")
	case w.refused:
		s.must("rule add " + rule + " unreachable")
	}
}

// must is for what worked before.
func (s *subnet) must(line string) {
	if err := ip(line); err != nil {
		panic(err)
	}
}

func (s *subnet) sever(int, int) bool  { return false }
func (s *subnet) slows() bool          { return false }
func (s *subnet) secured() bool        { return true }
func (s *subnet) origin(func(int) int) {}
func (s *subnet) close()               {}
