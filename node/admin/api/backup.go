package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Backup writes a backup to w and returns its size in bytes. Its errors are as of Do.
func (c *Client) Backup(ctx context.Context, w io.Writer) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(c.URL, "/")+BackupPath, nil)
	if err != nil {
		return 0, err
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	endless := *c.HTTP
	endless.Timeout = 0
	resp, err := endless.Do(req)
	if err != nil {
		return 0, &LostError{false, withoutURL(err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxEventBytes))
		return 0, newError(&response{resp.StatusCode, body, resp.Header})
	}
	size, err := io.Copy(w, resp.Body)
	if err != nil {
		return size, &LostError{true, fmt.Errorf("the backup broke off: %w", err)}
	}
	return size, nil
}
