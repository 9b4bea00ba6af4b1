package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The flood of TestFlood.
const (
	silentHeads = 2000
	uploads     = 2000
	floodBody   = 10 << 20
	// floodMemory is what the process may have in use, in bytes.
	floodMemory = 400_000_000
)

// TestFlood: silent heads that announce large bodies, and honest uploads that
// never end, from more clients than can hold all the memory for bodies, leave
// the gateway small and others served.
func TestFlood(t *testing.T) {
	if runtime.GOOS != "linux" || raced || testing.Short() {
		t.Skip("memory is measured on Linux, and it takes some seconds")
	}
	up := startRecorder(t, says(ok200))
	gw := startProcess(t, "^TestFloodGateway$", floodServer, up.url())
	idle := gw.memory(t)

	flood := startProcess(t, "^TestFloodSenders$", floodTarget, gw.addr)

	c := dial(t, gw.addr)
	defer c.Close()
	var took []time.Duration
	most := 0
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); {
		begin := time.Now()
		c.send("GET /test/b HTTP/1.1\r\nHost: h\r\n\r\n")
		if a := c.read(); a == nil || a.StatusCode != 200 {
			t.Fatalf("somebody else: %+v", a)
		}
		took = append(took, time.Since(begin))
		most = max(most, gw.memory(t))
		time.Sleep(5 * time.Millisecond) // a client of its own pace
	}
	slices.Sort(took)
	t.Logf("%d MB without load, %d MB at most; somebody else's %d calls: median %v, 99%% in %v, slowest %v",
		idle/1e6, most/1e6, len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	if most > floodMemory {
		t.Errorf("%d MB in use, want at most %d", most/1e6, floodMemory/1_000_000)
	}
	flood.end()
	t.Logf("sent: %s", flood.last)
	// What is left is the garbage collector's, which is slow when nothing
	// happens, and warm pieces.
	eventually(t, "the memory goes back", func() bool { return gw.memory(t) < idle+150_000_000 })
	t.Logf("%d MB afterwards", gw.memory(t)/1e6)
}

// What TestFloodOfBytes sends up and down, and what the process may have in use
// meanwhile, in bytes.
const (
	streamed       = 5 << 30
	streamedChunks = 1 << 30
	streamMemory   = 100_000_000
)

// TestFloodOfBytes: bodies far larger than the memory go through in both
// directions, in both framings.
func TestFloodOfBytes(t *testing.T) {
	if runtime.GOOS != "linux" || raced || testing.Short() {
		t.Skip("memory is measured on Linux, and it takes some seconds")
	}
	up := handled(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/down" {
			size := int64(streamedChunks)
			if r.URL.RawQuery != "" {
				size = streamed
				w.Header().Set("Content-Length", strconv.Itoa(streamed))
			}
			_, _ = io.CopyN(w, endless{}, size)
			return
		}
		fmt.Fprint(w, n)
	})
	gw := startProcess(t, "^TestFloodGateway$", floodServer, up.URL)
	for name, run := range map[string]func() (*http.Response, error){
		"up, length": func() (*http.Response, error) {
			r, _ := http.NewRequest("POST", "http://"+gw.addr+"/test/up", io.LimitReader(endless{}, streamed))
			r.ContentLength = streamed
			return http.DefaultClient.Do(r)
		},
		"up, chunks": func() (*http.Response, error) {
			return http.Post("http://"+gw.addr+"/test/up", "", io.LimitReader(endless{}, streamedChunks))
		},
		"down, length": func() (*http.Response, error) {
			return http.Get("http://" + gw.addr + "/test/down?length")
		},
		"down, chunks": func() (*http.Response, error) { return http.Get("http://" + gw.addr + "/test/down") },
	} {
		most := 0
		over, done := make(chan bool), make(chan bool)
		go func() {
			defer close(done)
			for {
				select {
				case <-over:
					return
				case <-time.After(20 * time.Millisecond): // as often as that is looked at
					most = max(most, gw.memory(t))
				}
			}
		}()
		begin := time.Now()
		resp, err := run()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got bytes.Buffer
		n, err := io.Copy(io.Discard, io.TeeReader(resp.Body, &tail{&got}))
		resp.Body.Close()
		took := time.Since(begin)
		close(over)
		<-done
		size := int64(streamed)
		if strings.HasSuffix(name, "chunks") {
			size = streamedChunks
		}
		if up, isUp := strconv.ParseInt(got.String(), 10, 64); isUp == nil {
			n = up
		}
		if err != nil || n != size {
			t.Errorf("%s: %d bytes came, %v", name, n, err)
		}
		if most > streamMemory {
			t.Errorf("%s: %d MB in use, want at most %d", name, most/1e6, streamMemory/1_000_000)
		}
		t.Logf("%s: %d GiB in %v, %d MB in use at most", name, size>>30, took.Round(time.Millisecond), most/1e6)
	}
}

// tail keeps what is short enough.
type tail struct{ *bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	if t.Len()+len(p) < 100 {
		t.Buffer.Write(p)
	}
	return len(p), nil
}

const (
	floodServer = "TOLLGATE_TEST_FLOOD_SERVER"
	floodTarget = "TOLLGATE_TEST_FLOOD_TARGET"
)

// TestFloodGateway is the gateway of TestFlood, in a process of its own.
func TestFloodGateway(t *testing.T) {
	server := os.Getenv(floodServer)
	if server == "" {
		t.Skip("only started by TestFlood")
	}
	g := startGateway(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}, domainOf("test", server, everything...))
	fmt.Printf("ready %s\n", g.addr)
	untilEnded(t)
	ctx, cut := context.WithTimeout(context.Background(), time.Second)
	defer cut()
	_ = g.Shutdown(ctx)
	os.Exit(0)
}

// TestFloodSenders are the strangers of TestFlood, in a process of their own:
// beside them in one, neither somebody else nor the endpoint server would get
// its turn.
func TestFloodSenders(t *testing.T) {
	addr := os.Getenv(floodTarget)
	if addr == "" {
		t.Skip("only started by TestFlood")
	}
	stop, done := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	var heads, sent atomic.Int64
	for i := range silentHeads {
		target := "/nope"
		if i%2 == 0 {
			target = "/test/a" // it is let in, and waited for
		}
		flood.Go(func() {
			occupy(stop, addr, byte(2+i%100), fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", target, floodBody), nil, &heads)
		})
	}
	piece := []byte(strings.Repeat("x", 16<<10))
	for i := range uploads {
		flood.Go(func() {
			occupy(stop, addr, byte(102+i%100), fmt.Sprintf("%sContent-Length: %d\r\n\r\n", post, floodBody), piece, &sent)
		})
	}
	fmt.Println("ready .")
	untilEnded(t)
	done()
	flood.Wait()
	fmt.Printf("%d heads, %d MB of bodies\n", heads.Load(), sent.Load()/1e6)
	os.Exit(0)
}

// untilEnded waits for process.end.
func untilEnded(t *testing.T) {
	stop, cancel := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer cancel()
	<-stop.Done()
}

// process runs one test in a process of its own.
type process struct {
	*exec.Cmd
	// addr is what it said when it was ready.
	addr string
	// last is the last line that it wrote. It may be read after end.
	last string
	// end ends it and waits.
	end func()
}

func startProcess(t *testing.T, test, key, value string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], "-test.run="+test)}
	p.Env = append(os.Environ(), key+"="+value)
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	p.end = sync.OnceFunc(func() {
		_ = p.Process.Signal(syscall.SIGTERM)
		for lines.Scan() {
			p.last = lines.Text()
		}
		_ = p.Wait()
	})
	t.Cleanup(p.end)
	for lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			p.addr = addr
			return p
		}
	}
	t.Fatalf("%s did not get ready", test)
	return nil
}

// memory is what the process has in use, in bytes.
func (p *process) memory(t *testing.T) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// occupy sends a head, then its body in pieces for as long as they are taken,
// and stays until stop; what it is told, or cut off, ends it as well.
func occupy(stop context.Context, addr string, from byte, head string, piece []byte, count *atomic.Int64) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, from)}}
	c, err := d.DialContext(stop, "tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	defer context.AfterFunc(stop, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(c, head); err != nil {
		return
	}
	if piece == nil {
		count.Add(1)
	}
	for left := floodBody - 1; piece != nil && left > 0; {
		n, err := c.Write(piece[:min(left, len(piece))])
		count.Add(int64(n))
		if left -= n; err != nil {
			return
		}
		time.Sleep(250 * time.Millisecond) // honest, but slow
	}
	_, _ = io.Copy(io.Discard, c)
}
