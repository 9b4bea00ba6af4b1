package soak

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// size asks the system and the node itself.
func (s *soak) size(ctx context.Context) (size, error) {
	goroutines, err := s.metric(ctx, "go_goroutines")
	if err != nil {
		return size{}, err
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.node.PID()))
	if err != nil {
		return size{}, err
	}
	var virtual, resident, shared int // shared is of files: the binary, and the log, which the system may drop
	if _, err := fmt.Sscan(string(raw), &virtual, &resident, &shared); err != nil {
		return size{}, err
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.node.PID()))
	return size{memory: (resident - shared) * os.Getpagesize() >> 20, files: shared * os.Getpagesize() >> 20, goroutines: goroutines, descriptors: len(open)}, err
}

// idle reports whether no client is connected.
func (s *soak) idle(ctx context.Context) bool {
	n, err := s.metric(ctx, "tollgate_proxy_connections")
	return err == nil && n == 0
}

func (s *soak) metric(ctx context.Context, name string) (int, error) {
	raw, err := s.admin.Metrics(ctx, name)
	if err != nil {
		return 0, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(raw))
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, m := range families[name].GetMetric() {
		sum += m.GetGauge().GetValue()
	}
	return int(sum), nil
}
