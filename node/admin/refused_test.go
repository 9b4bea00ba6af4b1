package admin

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestWrongTokensAreSlow: each refusal of an address is answered later than the
// one before, up to a bound; another address is not, nor a call that is let in;
// and the log has a line a second, with the count.
func TestWrongTokensAreSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		cfg := Config{Control: newFake(), Logger: slog.New(slog.NewTextHandler(&log, nil))}
		withTokens(&cfg)
		h := New(cfg)
		ask := func(address, token string) (status int, took time.Duration) {
			r := httptest.NewRequest("GET", "/v1/cluster", nil)
			r.RemoteAddr = address
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			began := time.Now()
			h.ServeHTTP(w, r)
			return w.Code, time.Since(began)
		}
		for i := range 50 {
			want := min(time.Duration(i)*100*time.Millisecond, 3*time.Second)
			if status, took := ask(fmt.Sprintf("192.0.2.1:%d", i+1), "wrong"); status != 401 || took != want {
				t.Fatalf("refusal %d: %d after %v, want %v", i+1, status, took, want)
			}
		}
		if status, took := ask("192.0.2.1:99", tokenFor(RoleRead)); status != 200 || took != 0 {
			t.Errorf("the right token from there: %d after %v", status, took)
		}
		if _, took := ask("192.0.2.2:1", "wrong"); took != 0 {
			t.Errorf("another address waits for %v", took)
		}
		time.Sleep(2 * time.Minute)
		if _, took := ask("192.0.2.1:1", "wrong"); took != 0 {
			t.Errorf("two minutes later: %v", took)
		}
		time.Sleep(2 * time.Second) // the last line falls due
		synctest.Wait()
		told := 0
		var last time.Time
		for line := range strings.Lines(log.String()) {
			if !strings.Contains(line, "admin calls refused") {
				t.Errorf("odd line: %s", line)
			}
			if !strings.Contains(line, "address=192.0.2.1 ") {
				continue
			}
			var at time.Time
			var count int
			for _, field := range strings.Fields(line) {
				if text, ok := strings.CutPrefix(field, "time="); ok {
					at, _ = time.Parse(time.RFC3339Nano, text)
				}
				_, _ = fmt.Sscanf(field, "count=%d", &count)
			}
			if at.Sub(last) < time.Second || count < 1 {
				t.Errorf("a line after %v: %s", at.Sub(last), line)
			}
			last, told = at, told+count
		}
		if told != 51 {
			t.Errorf("the log counts %d of 51 refusals:\n%s", told, log.String())
		}
	})
}

// TestRefusalsAreBounded: addresses without end take no memory without end, and
// a crowd of refused callers is not held back.
func TestRefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRefusals(slog.New(slog.NewTextHandler(&log, nil)))
		err := errors.New("no")
		for i := range 3 * maxSuspects {
			r.note(fmt.Sprintf("10.%d.%d.1:1", i>>8, i&0xff), err)
		}
		if len(r.suspects) > maxSuspects+1 {
			t.Errorf("%d addresses are remembered", len(r.suspects))
		}
		time.Sleep(2 * suspicion)
		synctest.Wait()
		if !strings.Contains(log.String(), "address=others count="+fmt.Sprint(2*maxSuspects-1)) {
			t.Error("the addresses beyond the bound have no line")
		}
		r.note("[2001:db8::1]:1", err)
		if r.note("[2001:db8::ffff]:1", err) != delayStep || r.note("[2001:db8:0:1::1]:1", err) != 0 {
			t.Error("an IPv6 client is not known by its /64")
		}
		if len(r.suspects) > 3 {
			t.Errorf("%d addresses are remembered when all is quiet", len(r.suspects))
		}
		for range 2 * maxDelayed {
			go r.refused(t.Context(), "192.0.2.1:1", err)
		}
		synctest.Wait()
		if n := heldBack(r); n > maxDelayed {
			t.Errorf("%d answers are held back", n)
		}
		time.Sleep(maxDelay)
		synctest.Wait()
		if n := heldBack(r); n != 0 {
			t.Errorf("%d answers are still held back", n)
		}
	})
}

func heldBack(r *refusals) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.delayed
}
