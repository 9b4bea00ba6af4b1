package admin

import (
	"strings"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/node/admin/console"
)

// isConsole tells the paths of the console, whose files everybody may have: they know
// nothing, and a browser has no token to ask for them with.
func isConsole(path string) bool { return strings.HasPrefix(path+"/", console.Path) }

// mountConsole serves the console.
func (s *server) mountConsole() {
	serve := s.getOnly(console.Handler(s.noSuchCall))
	s.mux.Handle(console.Path, serve)
	s.mux.Handle(strings.TrimSuffix(console.Path, "/"), serve)
}

// whoami answers whose token it is that a call came with.
func (s *server) whoami(r *request) (any, error) {
	caller := callerOf(r.Request)
	return api.Whoami{Name: caller.Name, Role: string(caller.Role)}, nil
}
