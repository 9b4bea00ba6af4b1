package admin

import (
	"cmp"
	"io"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tollgate/tollgate/node/admin/api"
)

// mountProbes adds what machines ask again and again. They take any query, as
// probes are fond of adding one.
func (s *server) mountProbes() {
	s.mux.Handle(api.HealthPath, s.getOnly(func(w http.ResponseWriter, _ *http.Request) {
		plain(w, http.StatusOK, "ok\n")
	}))
	s.mux.Handle(api.ReadyPath, s.getOnly(s.ready))
	if s.Gatherer != nil {
		metrics := promhttp.HandlerFor(s.Gatherer, promhttp.HandlerOpts{})
		s.mux.Handle(api.MetricsPath, s.getOnly(func(w http.ResponseWriter, r *http.Request) {
			if err := s.permit(r, RoleMetrics, false); err != nil {
				s.refuse(w, r, err)
				return
			}
			metrics.ServeHTTP(w, r)
		}))
	}
}

// ready writes a line a check: its name, and "ok" or what is the matter.
func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	checks, ready := s.Control.Ready()
	var lines strings.Builder
	for _, c := range checks {
		state := "ok"
		if said := cmp.Or(c.Problem, c.Note); said != "" {
			state = strings.Join(strings.Fields(said), " ") // a line a check
		}
		lines.WriteString(c.Name + ": " + state + "\n")
	}
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	plain(w, status, lines.String())
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}
