//go:build linux

package chaos

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tollgate/tollgate/cmd/internal/cli"
)

// diskBytes is the size of a node's own disk.
const diskBytes = 96 << 20

// loopDisk is a file system of a node's own, in a file.
type loopDisk struct {
	t   *testing.T
	dir string // where it is mounted
}

// newDisks makes so many file systems, or says why there can be none here.
func newDisks(t *testing.T, count int) (disks []*loopDisk, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil, "not root"
	}
	for range count {
		dir := t.TempDir()
		image, mounted := filepath.Join(dir, "image"), filepath.Join(dir, "mounted")
		if err := os.WriteFile(image, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Truncate(image, diskBytes), os.Mkdir(mounted, 0o700)); err != nil {
			t.Fatal(err)
		}
		for _, command := range [][]string{{"mkfs.ext4", "-q", "-m", "0", "-F", image}, {"mount", "-o", "loop", image, mounted}} {
			if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
				return nil, fmt.Sprintf("%v: %v %s", command, err, out)
			}
		}
		d := &loopDisk{t: t, dir: mounted}
		t.Cleanup(func() {
			d.thaw()
			if out, err := exec.Command("umount", d.dir).CombinedOutput(); err != nil {
				t.Errorf("umount: %v %s", err, out)
			}
		})
		if out, err := d.set("-f"); err != nil {
			return nil, fmt.Sprintf("fsfreeze: %v %s", err, out)
		}
		d.thaw()
		disks = append(disks, d)
	}
	return disks, ""
}

func (d *loopDisk) set(how string) ([]byte, error) {
	return exec.Command("fsfreeze", how, d.dir).CombinedOutput()
}

// thaw has the file system go on. One that does already is left alone.
func (d *loopDisk) thaw() { _, _ = d.set("-u") }

// fill takes all room that is left on the file system, and returns what frees it.
func (d *loopDisk) fill() (free func()) {
	d.t.Helper()
	name := filepath.Join(d.dir, "fill")
	file, err := os.Create(name)
	if err == nil {
		_, err = io.Copy(file, zeros{})
		err = errors.Join(err, file.Close())
	}
	if !errors.Is(err, syscall.ENOSPC) {
		d.t.Fatalf("filling %s: %v", name, err)
	}
	return func() { _ = os.Remove(name) }
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// moveTo gives a node that has not run another data directory.
func (n *node) moveTo(data string) {
	n.args[slices.Index(n.args, "--data-dir")+1] = data
	n.data = data
}

// mayEnd says whether it is none of the test's failures if the node ends by itself: as it
// runs now, or as it is started from now on.
func (n *node) mayEnd(may bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ends = may; may {
		n.proc.MayEnd()
	}
}

// disk is a node's own; the row is skipped where there is none.
func (f *failures) disk(n *node) *loopDisk {
	f.Helper()
	if len(f.disks) == 0 {
		f.Skipf("not run: no file system can be mounted and frozen here: %s", f.why)
	}
	return f.disks[n.i]
}

// ended waits for the end of a node by itself, and takes its exit status.
func (f *failures) ended(n *node) {
	f.Helper()
	select {
	case <-n.process().Done():
	case <-time.After(healPatience):
		f.Fatalf("%s goes on", n.id)
	}
	if status := n.process().State().ExitCode(); status != cli.Failed {
		f.Errorf("%s ends with %d", n.id, status)
	}
}

// full fills a node's disk while the others write, until it ends; the others serve.
func (f *failures) full(n *node) {
	disk, others, from := f.disk(n), f.others(n), f.logEnd(n)
	n.mayEnd(true)
	free := disk.fill()
	f.Cleanup(free)
	noise := mathrand.NewChaCha8([32]byte{})
	for n.process().State() == nil {
		text := make([]byte, 200<<10)
		_, _ = noise.Read(text)
		_, _ = f.c.admin.of(others[0]).Deploy(f.Context(), fmt.Appendf(nil, `{"swagger":"2.0","info":{"title":"bulk","description":"%s"},"basePath":"/bulk","schemes":["http"],
			"paths":{},"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:1"}}}}`, hex.EncodeToString(text))) // the end of the node may fail it
	}
	f.ended(n)
	f.logged(n, from, `the node ended by itself: a write to .* has failed`)
	f.logged(n, from, `no space left on device`) // with wal a line before: a file was full, and no next one could be made
	f.serving(others...)
	f.member(others[0], n.id, "unreachable", unreachable)

	from = f.logEnd(n)
	f.start(n)
	f.await(n.id+" ends again, or has found room for little", func() error {
		if n.process().State() != nil {
			return nil
		}
		return n.ready()
	})
	if n.process().State() != nil {
		f.ended(n)
		f.logged(n, from, `no space left on device`)
	} else {
		n.process().Kill()
	}

	free()
	n.mayEnd(false)
	f.start(n)
	f.healed()
}

func (f *failures) followerFull() {
	n := f.c.nodes[1]
	f.disk(n)
	f.follow(n)
	f.full(n)
}

func (f *failures) leaderFull() {
	n := f.c.nodes[0]
	f.disk(n)
	f.lead(n)
	f.full(n)
	f.anotherLeads(n)
}

// hasty restarts a node with a --disk-timeout that a test can wait for.
func (f *failures) hasty(n *node) {
	f.Helper()
	was := n.args
	n.args = append(slices.Clone(n.args), "--disk-timeout", "3s")
	f.Cleanup(func() { n.args = was })
	if err := terminate(n.process()); err != nil {
		f.Fatal(err)
	}
	f.start(n)
	f.healed()
}

// freeze has a node's disk answer nothing.
func (f *failures) freeze(d *loopDisk) {
	f.Helper()
	f.Cleanup(d.thaw)
	if out, err := d.set("-f"); err != nil {
		f.Fatalf("%v %s", err, out)
	}
}

func (f *failures) followerHangs() {
	n := f.c.nodes[1]
	disk, others := f.disk(n), f.others(n)
	f.hasty(n)
	f.follow(n)
	from := f.logEnd(n)
	f.freeze(disk)
	f.serving(others...)
	f.notReady(n, "disk: a write to "+n.data+" has taken")
	f.metric([]*node{n}, "tollgate_raft_disk_busy_seconds ", above(0))
	f.metric(others, `tollgate_raft_follower_lag_entries{member="`+n.id+`"}`, above(0))
	f.logged(n, from, "the disk does not answer")
	if v := f.call(n, f.free); v != admitted {
		f.Errorf("a call without a quota is %v", v)
	}
	f.Logf("a call of a domain whose calls the log decides is %v", f.call(n, f.somebody()))
	f.serving(others...)
	disk.thaw()
	f.healed()
	f.logged(n, from, "the disk answers again")
}

func (f *failures) leaderHangs() {
	n := f.c.nodes[0]
	disk, others := f.disk(n), f.others(n)
	f.hasty(n)
	f.lead(n)
	from := f.logEnd(n)
	n.mayEnd(true)
	begin := time.Now()
	f.freeze(disk)
	f.serving(others...)
	f.anotherLeads(n)
	f.Logf("another leads and decides after %v", time.Since(begin))
	f.logged(n, from, "the node ended by itself: the disk does not answer: a write to .* while this node leads")
	f.member(others[0], n.id, "unreachable", unreachable)
	for _, at := range []string{n.at.listen, n.at.admin} {
		f.await("nobody answers at "+at, func() error {
			conn, err := net.Dial("tcp", at)
			if err == nil {
				conn.Close()
				return errors.New("somebody does")
			}
			return nil
		})
	}
	f.Logf("its ports are closed after %v", time.Since(begin))
	disk.thaw()
	f.ended(n)
	n.mayEnd(false)
	f.start(n)
	f.healed()
}
