package node

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/quota"
)

// Bounds of events. What is beyond them is counted and dropped: nobody who is slow holds
// the log's application up.
const (
	eventQueue = 1024
	// eventLines is how many events a second have a line of the log.
	eventLines = 10
)

// events tells what happens to quotas: a line of the leader's log, a metric, whoever
// listens at the admin API, and a webhook.
type events struct {
	leads   func() bool
	logger  *slog.Logger
	told    prometheus.Counter
	dropped prometheus.Counter
	queue   chan quota.Event
	hook    *webhook // nil: there is none

	mu        sync.Mutex
	listeners map[chan api.Event]bool
	// shared has the newest of the conditions whose callers beyond maxCallers share a
	// counter, and until when they do.
	shared      string
	sharedUntil time.Time
	// second is when lines were counted last, lines how many there were then.
	second time.Time
	lines  int
}

func newEvents(leads func() bool, logger *slog.Logger, reg prometheus.Registerer, hook *webhook) *events {
	e := &events{
		leads: leads, logger: logger, hook: hook, queue: make(chan quota.Event, eventQueue), listeners: map[chan api.Event]bool{},
		told: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollgate_quota_alerts_total", Help: "Windows that have come to one of the thresholds of their alertPercent while this node led; the log and /v1/events say which.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollgate_events_dropped_total", Help: "Events that were not told, because a listener, the webhook or this node was too slow.",
		}),
	}
	reg.MustRegister(e.told, e.dropped)
	return e
}

// openEvents begins to tell what happens.
func (n *Node) openEvents() (func(context.Context) error, error) {
	var hook *webhook
	if url := n.cfg.EventWebhook; url != "" {
		var key []byte
		if file := n.cfg.EventWebhookKeyFile; file != "" {
			raw, err := ReadSecretFile(file, maxTokenFileBytes)
			if err != nil {
				return nil, fmt.Errorf("--event-webhook-key-file %w", err)
			}
			key = bytes.TrimSpace(raw)
		}
		hook = newWebhook(url, key, n.cfg.Logger)
	}
	leads := func() bool { return n.store.IsLeader() }
	n.events = newEvents(leads, n.cfg.Logger, n.registry, hook)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { n.events.run(ctx) })
	if hook != nil {
		wg.Go(func() { hook.run(ctx) })
	}
	n.store.OnQuotaEvents(func(list []quota.Event) {
		if n.currentPhase() == serving { // what a replica catches up with is no news
			n.events.quotaEvents(list)
		}
	})
	return func(context.Context) error {
		cancel()
		wg.Wait()
		return nil
	}, nil
}

// quotaEvents takes events in. It is called as the log is applied, and does not block.
func (e *events) quotaEvents(list []quota.Event) {
	for _, one := range list {
		select {
		case e.queue <- one:
		default:
			e.dropped.Inc()
		}
	}
}

// run tells the events until ctx ends.
func (e *events) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case one := <-e.queue:
			e.tell(one)
		}
	}
}

func (e *events) tell(one quota.Event) {
	event := newEvent(one)
	e.mu.Lock()
	if one.Percent == 0 {
		e.shared, e.sharedUntil = fmt.Sprintf("the domain %s has more callers by %s than maxCallers", one.Domain, one.Name.By), time.UnixMilli(one.Ends)
	}
	for l := range e.listeners {
		select {
		case l <- event:
		default:
			e.dropped.Inc()
		}
	}
	e.mu.Unlock()
	if !e.leads() { // each node has it, and one of them tells
		return
	}
	if one.Percent == 0 {
		e.logger.Warn("a quota has more callers than maxCallers: new ones share a counter, and may be refused early", "domain", event.Domain, "endpoint", one.Name.Endpoint,
			"window", event.Window, "by", event.By, "maxUsageQuota", one.Max, "windowEndsAt", event.WindowEndsAt)
		return
	}
	e.told.Inc()
	if e.line() {
		e.logger.Warn("a quota has come to a threshold", "domain", event.Domain, "endpoint", one.Name.Endpoint, "window", event.Window, "by", event.By,
			"callerDigest", event.CallerDigest, "percent", one.Percent, "used", one.Used, "maxUsageQuota", one.Max, "windowEndsAt", event.WindowEndsAt)
	}
	if e.hook != nil && !e.hook.put(event) {
		e.dropped.Inc()
	}
}

// crowded says which condition's callers share a counter now; empty: none do, as far as
// this node has heard since it serves.
func (e *events) crowded() string {
	if e == nil {
		return ""
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !time.Now().Before(e.sharedUntil) {
		return ""
	}
	return fmt.Sprintf("%s: new ones share a counter until %s", e.shared, e.sharedUntil.UTC().Format(time.RFC3339))
}

// line reports whether an event may have a line of the log.
func (e *events) line() bool {
	if now := time.Now(); now.Sub(e.second) >= time.Second {
		e.second, e.lines = now, 0
	}
	e.lines++
	return e.lines <= eventLines
}

// listen gives the events from now on; stop ends it.
func (e *events) listen() (list <-chan api.Event, stop func()) {
	l := make(chan api.Event, eventQueue)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listeners[l] = true
	return l, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.listeners, l)
	}
}

// newEvent is an event as people are told of it.
func newEvent(e quota.Event) api.Event {
	out := api.Event{
		Type: typeOf(&e), Domain: e.Domain, By: string(e.Name.By), Shadow: e.Name.Shadow, Percent: int(e.Percent), Used: e.Used, MaxUsageQuota: e.Max,
		Window: e.Name.ResetSeconds, WindowID: e.Window, WindowEndsAt: time.UnixMilli(e.Ends).UTC().Format(time.RFC3339),
	}
	if e.Name.Endpoint != "" {
		out.Endpoint = &e.Name.Endpoint
	}
	if e.Name.Period.Unit != quota.NoUnit {
		out.Window = e.Name.Period.Unit.String()
	}
	if e.Caller != (quota.Digest{}) {
		out.CallerDigest = hex.EncodeToString(e.Caller[:])
	}
	return out
}

func typeOf(e *quota.Event) string {
	if e.Percent == 0 {
		return "quotaCallers"
	}
	return "quotaAlert"
}
