package node

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/tollgate/tollgate/node/admin/api"
)

const (
	// hookTimeout bounds one attempt to bring an event to the webhook, hookAttempts how
	// many there are. The pauses between them double from hookPause on.
	hookTimeout  = 5 * time.Second
	hookAttempts = 5
	hookPause    = 500 * time.Millisecond
)

// webhook brings events to a URL, one after the other.
type webhook struct {
	url    string
	key    []byte // empty: they are not signed
	client *http.Client
	logger *slog.Logger
	queue  chan api.Event
	pause  time.Duration
}

func newWebhook(url string, key []byte, logger *slog.Logger) *webhook {
	return &webhook{
		url: url, key: key, logger: logger, queue: make(chan api.Event, eventQueue), pause: hookPause,
		client: &http.Client{Timeout: hookTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// put has an event brought. It reports false if too many wait.
func (h *webhook) put(e api.Event) bool {
	select {
	case h.queue <- e:
		return true
	default:
		return false
	}
}

// run brings events until ctx ends.
func (h *webhook) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-h.queue:
			h.bring(ctx, e)
		}
	}
}

// bring tries until the event is taken, a bounded number of times.
func (h *webhook) bring(ctx context.Context, e api.Event) {
	body, err := json.Marshal(e)
	if err != nil { // never: it is plain
		return
	}
	pause := h.pause
	for attempt := 1; ; attempt++ {
		if err = h.post(ctx, body); err == nil || ctx.Err() != nil {
			return
		}
		if attempt == hookAttempts {
			h.logger.Error("an event was not brought to the webhook", "error", err, "attempts", attempt, "domain", e.Domain, "percent", e.Percent)
			return
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		pause *= 2
	}
}

// post makes one attempt. The signature is over the time and the body, so that nobody can
// repeat an old event as a new one.
func (h *webhook) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tollgate-events")
	req.Header.Set("X-Tollgate-Timestamp", at)
	if len(h.key) > 0 {
		mac := hmac.New(sha256.New, h.key)
		mac.Write(append([]byte(at+"."), body...))
		req.Header.Set("X-Tollgate-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("it answers %d", resp.StatusCode)
	}
	return nil
}
