package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxEventBytes bounds a line of the stream of events.
const maxEventBytes = 1 << 20

// Events gives the events as they come to tell, until tell fails, the stream breaks off,
// or ctx ends, which alone is no failure. Its errors are as of Do.
func (c *Client) Events(ctx context.Context, tell func(Event) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(c.URL, "/")+EventsPath, nil)
	if err != nil {
		return err
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	endless := *c.HTTP
	endless.Timeout = 0
	resp, err := endless.Do(req)
	if err != nil {
		return &LostError{false, withoutURL(err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxEventBytes))
		return newError(&response{resp.StatusCode, body, resp.Header})
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEventBytes)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return fmt.Errorf("an event: %w", err)
		}
		if err := tell(e); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return &LostError{true, fmt.Errorf("the stream of events broke off: %w", lines.Err())}
}
