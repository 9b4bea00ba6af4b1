package upstream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// Check is a GET that a target passes whose answer has a status of 200 to 399.
type Check struct {
	// Path is the whole path, perhaps with a query; that of the target's URL is
	// not put before it.
	Path string
	// Interval is the pause between two checks of a target, give or take a
	// tenth. Timeout bounds one, connection and head of the answer.
	Interval, Timeout time.Duration
}

const (
	// checksToFail is how many checks in a row fail before a target does: one may
	// be lost. One that passes is enough to be back.
	checksToFail = 2
	// recheckAfter is the pause before the check that decides.
	recheckAfter = time.Second
	// checksAtOnce bounds the checks of a Group that are under way.
	checksAtOnce = 8
)

// Start begins the checks, if there are any. It must be called once at most,
// and Stop behind it.
func (g *Group) Start() {
	if g.check == nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	places := make(chan struct{}, checksAtOnce)
	for _, t := range g.targets {
		g.running.Go(func() { g.watch(ctx, t, places) })
	}
}

// Stop ends the checks and waits for that; those that are under way are cut
// off. It does no harm without Start, or twice.
func (g *Group) Stop() {
	if g.stop != nil {
		g.stop()
	}
	g.running.Wait()
}

// watch checks one target until ctx ends.
func (g *Group) watch(ctx context.Context, t *target, places chan struct{}) {
	ask := t.server.checker()
	failed := 0
	timer := time.NewTimer(rand.N(min(g.check.Interval, recheckAfter))) // not all domains' at once
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		err := ask(ctx, g.check)
		<-places
		if ctx.Err() != nil {
			return
		}
		failed = g.checked(t, err, failed)
		pause := g.check.Interval
		if failed > 0 && failed < checksToFail {
			pause = min(pause, recheckAfter)
		}
		timer.Reset(pause - pause/10 + rand.N(pause/5))
	}
}

// checker makes what asks the server once, on a connection of its own: one that
// is kept would not show that no new ones can be made.
func (s *Server) checker() func(context.Context, *Check) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := s.dialContext(ctx)
		if err != nil {
			return nil, err
		}
		return c.Conn, nil
	}
	transport := &http.Transport{
		DialContext: dial, DialTLSContext: dial, // with the calls' own addresses and TLS
		DisableKeepAlives: true, DisableCompression: true,
		MaxResponseHeaderBytes: int64(s.cfg.MaxHeader),
	}
	origin := "http://" + s.host
	if s.tls != nil {
		origin = "https://" + s.host
	}
	return func(ctx context.Context, check *Check) error {
		ctx, cancel := context.WithTimeout(ctx, check.Timeout)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, origin+check.Path, nil)
		if err != nil {
			return err
		}
		req.Header.Set("User-Agent", "tollgate-check")
		resp, err := transport.RoundTrip(req) // which follows no redirect
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode < 200 || resp.StatusCode > 399 {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		return nil
	}
}
