package admin

import (
	"context"
	"net"
	"net/http"

	"github.com/tollgate/tollgate/store/catalog"
)

// askerKey is the context's key of the asker.
type askerKey struct{}

// asker is who sent a request that guard has let in, and from where.
type asker struct {
	Caller
	address string
}

func withAsker(r *http.Request, c Caller) *http.Request {
	a := asker{c, r.RemoteAddr}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		a.address = host
	}
	return r.WithContext(context.WithValue(r.Context(), askerKey{}, a))
}

// callerOf is who sent a request that guard has let in.
func callerOf(r *http.Request) Caller {
	a, _ := r.Context().Value(askerKey{}).(asker)
	return a.Caller
}

// Origin is who asked for what a Control is asked to do, by the context that it is
// given.
func Origin(ctx context.Context) catalog.Origin {
	a, _ := ctx.Value(askerKey{}).(asker)
	return catalog.Origin{Name: a.Name, Role: string(a.Role), Address: a.address}
}
