package peers

import (
	"net"
	"testing"
)

func TestConnected(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	sessions := []string{"", "last_status=ESTA last_status=CONN", "last_status=ESTA last_status=ESTA"}
	asked := 0
	go serveControl(ln, func() string { asked++; return sessions[asked-1] }) // ends with ln
	for i := range sessions {
		if err := connected(t.Context(), ln.Addr().String(), 2); (err == nil) != (i == 2) {
			t.Errorf("%q: %v", sessions[i], err)
		}
	}
}
