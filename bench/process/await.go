package process

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// pollPause lies between two looks at a state, tryPatience bounds one look.
const (
	pollPause   = 20 * time.Millisecond
	tryPatience = 2 * time.Second
)

// Await tries until it succeeds, up to a patience. It gives up when ctx ends,
// and when the process does, whose end is the error then. The context that try
// gets bounds one attempt. what completes "waited 10s until …".
func (p *Process) Await(ctx context.Context, patience time.Duration, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	pause := time.NewTicker(pollPause)
	defer pause.Stop()
	for {
		attempt, done := context.WithTimeout(ctx, tryPatience)
		err := try(attempt)
		done()
		if died := p.Err(); died != nil { // what answers is another's, or was its last word
			return died
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %v until %s: %w; the last of the output of %s:\n%s",
				time.Since(began).Round(time.Millisecond), what, err, p.name, Tail(p.log))
		case <-p.done:
		case <-pause.C:
		}
	}
}

// AwaitListening waits until the process takes connections at a host:port. See
// Await.
func (p *Process) AwaitListening(ctx context.Context, patience time.Duration, address string) error {
	return p.Await(ctx, patience, p.name+" listens on "+address, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// AwaitOK waits until a GET of the URL is answered by 200. See Await.
func (p *Process) AwaitOK(ctx context.Context, patience time.Duration, url string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return p.Await(ctx, patience, p.name+" answers "+url, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("the answer is %s", resp.Status)
		}
		return nil
	})
}
