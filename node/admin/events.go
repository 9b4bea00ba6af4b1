package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/tollgate/tollgate/node/admin/api"
)

// Events is what the admin API needs of its node to tell what happens.
type Events interface {
	// Listen gives the events from now on; those that a slow listener does not take are
	// dropped. stop ends it.
	Listen() (events <-chan api.Event, stop func())
}

const (
	// eventPing is how often a stream without events says that it is alive.
	eventPing = 15 * time.Second
	// eventWrite bounds one write to a listener.
	eventWrite = 10 * time.Second
)

// mountEvents serves events as they come, as server-sent events (WHATWG HTML, 9.2). It
// has no deadline, unlike the other calls.
func (s *server) mountEvents() {
	s.mux.Handle(api.EventsPath, s.getOnly(func(w http.ResponseWriter, r *http.Request) {
		if err := s.permit(r, RoleRead, false); err != nil {
			s.refuse(w, r, err)
			return
		}
		s.stream(w, r)
	}))
}

func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the server's is for requests
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	events, stop := s.Control.Listen()
	defer stop()
	ping := time.NewTicker(eventPing)
	defer ping.Stop()
	text := ": tollgate\n\n"
	for {
		_ = control.SetWriteDeadline(time.Now().Add(eventWrite))
		if _, err := fmt.Fprint(w, text); err != nil || control.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-s.Stopping:
			return
		case <-ping.C:
			text = ": \n\n"
		case e := <-events:
			body, err := json.Marshal(e)
			if err != nil { // never: it is plain
				return
			}
			text = fmt.Sprintf("event: %s\ndata: %s\n\n", e.Type, body)
		}
	}
}
