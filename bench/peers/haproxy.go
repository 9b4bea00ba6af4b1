package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/tollgate/tollgate/bench/process"
)

// The paths that the quotas of HAProxy's instances are on.
const (
	endPath = "/end"
	farPath = "/far"
)

// gate is an instance of HAProxy as the others know it.
type gate struct{ Name, Address string }

// quotaConfig is what the configuration of one is made of.
type quotaConfig struct {
	Listen, Control    string
	Gates              []gate
	Threads            int
	EndPath, FarPath   string
	EndLimit, FarLimit uint64
}

// startHAProxyQuota starts instances that share a stick table, and waits until
// all are connected to each other: until then each would count for itself.
func startHAProxyQuota(l *launch) error {
	free, err := addresses(3 * l.Instances)
	if err != nil {
		return err
	}
	listen, control, peers := free[:l.Instances], free[l.Instances:2*l.Instances], free[2*l.Instances:]
	gates := make([]gate, l.Instances)
	for i := range gates {
		gates[i] = gate{Name: fmt.Sprintf("gate%d", i+1), Address: peers[i]}
	}
	for i := range gates {
		config, err := l.config(gates[i].Name+".cfg", "haproxy-quota.cfg.tmpl", quotaConfig{
			Listen: listen[i], Control: control[i], Gates: gates, Threads: threads,
			EndPath: endPath, FarPath: farPath, EndLimit: l.Limit, FarLimit: farLimit,
		})
		if err != nil {
			return err
		}
		if _, err := l.run(haproxy, gates[i].Name, process.Command{Args: []string{"-db", "-L", gates[i].Name, "-f", config}}); err != nil {
			return err
		}
	}
	for i, p := range l.running.processes {
		if err := p.AwaitListening(l.ctx, startPatience, listen[i]); err != nil {
			return err
		}
		err := p.Await(l.ctx, startPatience, gates[i].Name+" is connected to its peers", func(ctx context.Context) error {
			return connected(ctx, control[i], l.Instances-1)
		})
		if err != nil {
			return err
		}
	}
	l.running.Addresses = listen
	return nil
}

// connected asks an instance whether it has a session with each of its others.
func connected(ctx context.Context, control string, others int) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", control)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // reading tells
	}
	if _, err := io.WriteString(conn, "show peers\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	if n := strings.Count(string(answer), "last_status=ESTA"); n < others {
		return fmt.Errorf("it has %d sessions of %d: %w", n, others, errors.New(strings.TrimSpace(string(answer))))
	}
	return nil
}
