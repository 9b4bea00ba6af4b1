package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"
)

// What a call that the quota refuses is answered, to the byte: part of the
// error codes that never change.
const (
	refusalBody = `{"header":{"resultCode":20004,"resultMessage":"20004 Usage quota exceeded","isSuccessful":false}}`
	refusalType = "application/json;charset=UTF-8"
)

// outcome is one call of the check and what came of it.
type outcome struct {
	number     int // from 1, in the order they were made
	node       string
	status     int
	mediaType  string
	body       string
	retryAfter string
}

func (o outcome) admitted() bool { return o.status == http.StatusOK }

func (o outcome) refused() bool {
	return o.status == http.StatusForbidden && o.mediaType == refusalType && o.body == refusalBody
}

// runCheck makes twice as many calls as the quota allows, each to the next
// node, and fails unless what it promises held.
func (d *demo) runCheck(ctx context.Context) error {
	roles, err := d.client.roles(ctx, d.nodes[0])
	if err != nil {
		return err
	}
	q, total := d.domain.quota, 2*d.domain.quota.Max
	err = d.print(fmt.Sprintf("%s\n%d calls of GET %s, %d allowed in %d s, each to the next node:\n",
		nodeTable(d.nodes, roles), total, d.domain.path(), q.Max, q.Seconds))
	if err != nil {
		return err
	}
	began := time.Now()
	outcomes, err := d.callRound(ctx, total)
	if err != nil {
		return err
	}
	took := time.Since(began)

	last := d.nodes[len(d.nodes)-1]
	reading, err := d.tollgate(ctx, "quota", d.domain.key, "--admin-url", last.admin)
	if err != nil {
		return err
	}
	arrived := int(d.endpoint.arrived.Load())
	err = d.print(fmt.Sprintf("\n%s\n%d calls reached the endpoint server. The quota, as %s reads it:\n%s\n",
		summary(outcomes, ids(d.nodes)), arrived, last.id, reading))
	if err != nil {
		return err
	}
	if wrong := judge(outcomes, ids(d.nodes), q, arrived, took); wrong != nil {
		return fmt.Errorf("the check fails:\n  %s", strings.Join(wrong, "\n  "))
	}
	return d.print(fmt.Sprintf("OK: exactly %d of %d calls were admitted, and every node refused with 20004.\n", q.Max, total))
}

// callRound makes the calls and shows each.
func (d *demo) callRound(ctx context.Context, total int) ([]outcome, error) {
	var outcomes []outcome
	for i := range total {
		n := d.nodes[i%len(d.nodes)]
		a, err := d.client.get(ctx, n.proxy+d.domain.path())
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			select {
			case dead := <-d.exits:
				return nil, dead.exitError()
			default:
				return nil, fmt.Errorf("call %d, to %s, expected an answer: %w", i+1, n.id, err)
			}
		}
		o := outcome{i + 1, n.id, a.status, a.header.Get("Content-Type"), string(a.body), a.header.Get("Retry-After")}
		outcomes = append(outcomes, o)
		if err := d.print(o.line()); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

// line shows the call to people.
func (o outcome) line() string {
	text := o.body
	switch {
	case o.admitted():
		text = "answered by the endpoint server"
	case o.refused():
		text = "20004 Usage quota exceeded; retry after " + o.retryAfter + " s"
	}
	return fmt.Sprintf("%4d  %s  %d  %s\n", o.number, o.node, o.status, text)
}

// tally is how many calls of each kind a node answered.
type tally struct{ calls, admitted, refused int }

func tallies(outcomes []outcome) map[string]tally {
	byNode := map[string]tally{}
	for _, o := range outcomes {
		t := byNode[o.node]
		t.calls++
		if o.admitted() {
			t.admitted++
		}
		if o.refused() {
			t.refused++
		}
		byNode[o.node] = t
	}
	return byNode
}

// summary is a table with a line a node.
func summary(outcomes []outcome, nodes []string) string {
	byNode := tallies(outcomes)
	var b strings.Builder
	var all tally
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name string, t tally) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", name, t.calls, t.admitted, t.refused, t.calls-t.admitted-t.refused)
	}
	fmt.Fprintln(w, "NODE\tCALLS\tADMITTED\t20004\tOTHER")
	for _, id := range nodes {
		t := byNode[id]
		row(id, t)
		all = tally{all.calls + t.calls, all.admitted + t.admitted, all.refused + t.refused}
	}
	row("all", all)
	w.Flush()
	return b.String()
}

// judge lists what was expected of the calls and did not hold. arrived is how
// many the endpoint server saw, took how long they all took.
func judge(outcomes []outcome, nodes []string, q quota, arrived int, took time.Duration) []string {
	var wrong []string
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }

	if took >= time.Duration(q.Seconds)*time.Second {
		bad("the calls were expected to fall into one window of %d s, took %v: nothing follows from them", q.Seconds, took.Round(time.Second))
		return wrong
	}
	admitted, firstRefusal := 0, 0
	for _, o := range outcomes {
		switch {
		case o.admitted() && firstRefusal > 0:
			bad("call %d, to %s: expected 20004, since call %d had got it, was admitted", o.number, o.node, firstRefusal)
			admitted++
		case o.admitted():
			admitted++
		case !o.refused():
			bad("call %d, to %s: expected 200, or 403 with %s as %s; got %d with %s as %s", o.number, o.node, refusalBody, refusalType, o.status, o.body, o.mediaType)
		case firstRefusal == 0:
			firstRefusal = o.number
		}
	}
	if admitted != q.Max {
		bad("expected exactly %d calls to be admitted, %d were", q.Max, admitted)
	}
	if arrived != admitted {
		bad("expected each admitted call to reach the endpoint server once: %d were admitted, %d arrived", admitted, arrived)
	}
	byNode := tallies(outcomes)
	for _, id := range nodes {
		if byNode[id].refused == 0 {
			bad("expected 20004 from every node, got none from %s", id)
		}
	}
	return wrong
}

func ids(nodes []*node) []string {
	list := make([]string, len(nodes))
	for i, n := range nodes {
		list[i] = n.id
	}
	return list
}
