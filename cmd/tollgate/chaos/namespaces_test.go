//go:build linux

package chaos

import (
	"bufio"
	"flag"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

var insideFlag = flag.Bool("chaos.inside", false, "for the test itself: this process is in namespaces of its own")

// TestNamespaces: the promises hold where what is lost is packets. Each node
// is in a network namespace of its own, and whom a fault cuts off the router
// between them drops the packets of. Needs root.
func TestNamespaces(t *testing.T) {
	if *insideFlag {
		r := newRun("TestNamespaces", *seedFlag)
		net, err := newSubnet(r.nodes)
		if err != nil {
			t.Fatal(err)
		}
		r.do(t, net, tollgate(t))
		return
	}
	if why := noNamespaces(); why != "" {
		t.Logf("no network namespaces here, so this variant was left out: %s", why)
		return
	}
	binary := tollgate(t)
	eachRun("TestNamespaces", *durationFlag/3, func(r run) {
		if err := runInside(t, append(r.flags(), "-chaos.inside", "-chaos.binary="+binary)); err != nil {
			t.Errorf("seed %d, in namespaces: %v", r.seed, err)
		}
	})
}

// inNamespaces has a command run in a network namespace and a mount namespace
// of its own: whatever it sets up there ends with it.
func inNamespaces(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		Setpgid:      true, Pdeathsig: syscall.SIGKILL,
	}
	return cmd
}

// noNamespaces says why there are none; empty if there are.
func noNamespaces() string {
	if os.Geteuid() != 0 {
		return "not root"
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return err.Error()
	}
	const try = "mount -t tmpfs none /run && ip netns add a && ip netns exec a ip link set lo up" +
		" && ip link add v type veth peer name eth0 netns a && echo 1 > /proc/sys/net/ipv4/ip_forward" +
		" && ip rule add from 10.77.1.2 to 10.77.2.2 blackhole"
	if out, err := inNamespaces(exec.Command("sh", "-c", try)).CombinedOutput(); err != nil {
		return err.Error() + ": " + string(out)
	}
	return ""
}

// runInside runs this test binary in namespaces of its own, and passes on what
// it says as it says it.
func runInside(t *testing.T, flags []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	read, write := io.Pipe()
	cmd := inNamespaces(exec.Command(self, flags...))
	cmd.Stdout, cmd.Stderr = write, write
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		write.Close()
	}()
	for lines := bufio.NewScanner(read); lines.Scan(); {
		t.Log(lines.Text())
	}
	return <-ended
}
