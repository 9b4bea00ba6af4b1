package log

import (
	"net"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// deadlines is a connection that keeps its newest deadline.
type deadlines struct {
	net.Conn
	newest time.Time
}

func (d *deadlines) SetDeadline(t time.Time) error {
	d.newest = t
	return nil
}

func (*deadlines) Write(b []byte) (int, error) { return len(b), nil }

// TestLargeRequestsHaveTime: a request has time by its size, as a snapshot has, and
// the next one begins anew.
func TestLargeRequestsHaveTime(t *testing.T) {
	var c deadlines
	d := &dialled{Conn: &c}
	exchange := func(timeout time.Duration, sizes ...int) time.Duration {
		t.Helper()
		began := time.Now()
		if err := d.SetDeadline(began.Add(timeout)); err != nil {
			t.Fatal(err)
		}
		for _, n := range sizes {
			if _, err := d.Write(make([]byte, n)); err != nil {
				t.Fatal(err)
			}
		}
		return c.newest.Sub(began)
	}
	const large = 20 * raft.DefaultTimeoutScale
	if got := exchange(transportTimeout, large/2, large/2); got < 20*transportTimeout {
		t.Errorf("%d bytes have %v", large, got)
	}
	if got := exchange(transportTimeout, 1000); got != transportTimeout {
		t.Errorf("1000 bytes have %v", got)
	}
	if got := exchange(time.Hour, large); got != time.Hour {
		t.Errorf("a snapshot of an hour has %v", got)
	}
	if err := d.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write(make([]byte, large)); err != nil || !c.newest.IsZero() {
		t.Errorf("what has no deadline was given one: %v, %v", c.newest, err)
	}
}
