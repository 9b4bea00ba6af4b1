package soak

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/tollgate/tollgate/proxy/hmacsign"
)

// patience bounds one call.
const patience = time.Minute

// caller makes one call of a kind, or one session, and says what was wrong.
type caller func(ctx context.Context, s *soak) error

// callers are the kinds, with how many of each are at work.
var callers = map[string]struct {
	at   int
	call caller
}{
	"plain":              {4, plain},
	"signed":             {2, signed},
	"token":              {2, withToken},
	"refused":            {1, refused},
	"upload, length":     {1, func(ctx context.Context, s *soak) error { return upload(ctx, s, true) }},
	"upload, chunks":     {1, func(ctx context.Context, s *soak) error { return upload(ctx, s, false) }},
	"slow upload":        {2, slowUpload},
	"upload, given up":   {1, uploadGivenUp},
	"download, length":   {1, func(ctx context.Context, s *soak) error { return download(ctx, s, "&length") }},
	"download, chunks":   {1, func(ctx context.Context, s *soak) error { return download(ctx, s, "") }},
	"download, given up": {1, downloadGivenUp},
	"events":             {5, events},
	"long poll":          {5, longPoll},
	"endpoint dies":      {1, endpointDies},
	"WebSocket":          {5, chat},
	"WebSocket, broken":  {1, chatBroken},
}

// session is one call that lasts for all the time that the others call.
type session func(ctx context.Context, s *soak, ends time.Time) error

var sessions = map[string]session{
	"events, all the time": func(ctx context.Context, s *soak, ends time.Time) error {
		return s.follow(ctx, func(int) bool { return time.Now().Before(ends) })
	},
	"long poll, half of the time": func(ctx context.Context, s *soak, ends time.Time) error {
		return s.want(ctx, "GET", "/open/poll?after="+(time.Until(ends)/2).String(), nil, nil, 200, "news")
	},
}

func (s *soak) do(ctx context.Context, method, path string, body io.Reader, change func(*http.Request)) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		return nil, err
	}
	if change != nil {
		change(req)
	}
	return s.http.Do(req)
}

// want makes a call and wants status and body.
func (s *soak) want(ctx context.Context, method, path string, body io.Reader, change func(*http.Request), status int, said string) error {
	resp, err := s.do(ctx, method, path, body, change)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != status || !strings.Contains(string(got), said) {
		return fmt.Errorf("%s %s: %d %.200q, want %d %q", method, path, resp.StatusCode, got, status, said)
	}
	return nil
}

func plain(ctx context.Context, s *soak) error {
	path := fmt.Sprintf("/echo/%d", rand.Uint64())
	return s.want(ctx, "GET", "/open"+path, nil, nil, 200, path)
}

func signed(ctx context.Context, s *soak) error {
	path := fmt.Sprintf("/echo/%d", rand.Uint64())
	stamp := time.Now().Format(time.RFC3339)
	return s.want(ctx, "GET", "/signed"+path, nil, func(r *http.Request) {
		r.Header.Set("X-TC-Timestamp", stamp)
		r.Header.Set("Authorization", hmacsign.Sign(secret, "GET", "/signed"+path, stamp))
	}, 200, path)
}

func withToken(ctx context.Context, s *soak) error {
	path := fmt.Sprintf("/echo/%d", rand.Uint64())
	return s.want(ctx, "GET", "/token"+path, nil, func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}, 200, path)
}

func refused(ctx context.Context, s *soak) error {
	return errors.Join(
		s.want(ctx, "GET", "/token/echo/x", nil, nil, 401, "20002"),
		s.want(ctx, "POST", "/nope", io.LimitReader(zeros{}, 100_000), nil, 404, "40400"),
	)
}

func upload(ctx context.Context, s *soak, known bool) error {
	n := rand.Int64N(4 << 20)
	return s.want(ctx, "POST", "/open/count", io.LimitReader(zeros{}, n), func(r *http.Request) {
		if known {
			r.ContentLength = n
		}
	}, 200, fmt.Sprint(n))
}

func slowUpload(ctx context.Context, s *soak) error {
	body, to := io.Pipe()
	go func() {
		for range 20 {
			_, _ = to.Write(make([]byte, 10_000))
			time.Sleep(50 * time.Millisecond) // the pace of the client
		}
		_ = to.Close()
	}()
	return s.want(ctx, "POST", "/open/count", body, nil, 200, "200000")
}

var errGivenUp = errors.New("given up")

func uploadGivenUp(ctx context.Context, s *soak) error {
	body, to := io.Pipe()
	go func() {
		_, _ = io.CopyN(to, zeros{}, 200_000)
		_ = to.CloseWithError(errGivenUp)
	}()
	err := s.want(ctx, "POST", "/open/count", body, nil, 200, "")
	if errors.Is(err, errGivenUp) {
		return nil
	}
	return fmt.Errorf("given up after 200000 bytes: %w", err)
}

func download(ctx context.Context, s *soak, query string) error {
	n := rand.Int64N(4 << 20)
	resp, err := s.do(ctx, "GET", fmt.Sprintf("/open/bytes?n=%d%s", n, query), nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if got, err := io.Copy(io.Discard, resp.Body); err != nil || got != n {
		return fmt.Errorf("%d of %d bytes: %w", got, n, err)
	}
	return nil
}

func downloadGivenUp(ctx context.Context, s *soak) error {
	resp, err := s.do(ctx, "GET", "/open/bytes?n=100000000", nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.CopyN(io.Discard, resp.Body, 100_000)
	return err
}

func events(ctx context.Context, s *soak) error {
	return s.follow(ctx, func(i int) bool { return i < 100 })
}

// follow reads a stream of events, each of which must come once and in turn.
func (s *soak) follow(ctx context.Context, more func(i int) bool) error {
	resp, err := s.do(ctx, "GET", "/open/events", nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for i := 0; more(i); i++ {
		if !lines.Scan() || lines.Text() != fmt.Sprintf("data: %d", i) || !lines.Scan() {
			return fmt.Errorf("event %d: %q, %w", i, lines.Text(), lines.Err())
		}
	}
	return nil
}

func longPoll(ctx context.Context, s *soak) error {
	return s.want(ctx, "GET", "/open/poll?after=1s", nil, nil, 200, "news")
}

func endpointDies(ctx context.Context, s *soak) error {
	resp, err := s.do(ctx, "GET", "/open/dies", nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		return fmt.Errorf("an answer that was cut off came whole, %d bytes", n)
	}
	return nil
}

func (s *soak) open(ctx context.Context) (*websocket.Conn, error) {
	c, _, err := websocket.Dial(ctx, s.url+"/open/chat", &websocket.DialOptions{HTTPClient: s.http})
	return c, err
}

func chat(ctx context.Context, s *soak) error {
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)
	for range 50 {
		message := make([]byte, rand.IntN(20_000))
		if err := c.Write(ctx, websocket.MessageBinary, message); err != nil {
			return err
		}
		if _, back, err := c.Read(ctx); err != nil || !bytes.Equal(back, message) {
			return fmt.Errorf("%d bytes came back as %d: %w", len(message), len(back), err)
		}
	}
	return c.Close(websocket.StatusNormalClosure, "")
}

func chatBroken(ctx context.Context, s *soak) error {
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	_ = c.Write(ctx, websocket.MessageText, []byte("x"))
	return c.CloseNow()
}
