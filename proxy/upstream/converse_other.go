//go:build !unix

package upstream

type conversing struct{}

// later cannot be had here.
func (c *conn) later([]byte) bool { return false }
