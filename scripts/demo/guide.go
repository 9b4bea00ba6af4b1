package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// guide says what runs, and what to paste to see it work.
func (d *demo) guide(roles map[string]string) string {
	var b strings.Builder
	q, loop := d.domain.quota, 2*d.domain.quota.Max
	first, second, third := d.nodes[0], d.nodes[1], d.nodes[2]
	fmt.Fprintf(&b, "Three nodes serve the domain %s: %d calls per %d s, whichever node they reach.\n\n", d.domain.key, q.Max, q.Seconds)
	b.WriteString(nodeTable(d.nodes, roles))
	fmt.Fprintf(&b, "\nThe endpoint server behind them is http://%s; data and logs are in %s until the end.\n", d.base.endpoint(), d.dir)
	fmt.Fprintf(&b, "The console is %s/console/, on any node.\n", first.admin)
	b.WriteString("To paste into another terminal, in this directory:\n")

	part := func(title string, lines ...string) {
		fmt.Fprintf(&b, "\n# %s\n%s\n", title, strings.Join(lines, "\n"))
	}
	part("A call; the endpoint server answers what reached it. This one counts too.",
		"curl -i "+first.proxy+d.domain.path())
	part(fmt.Sprintf("Round the nodes: 200 until %d are used up, then 20004 from every node,\n# until %d s after the first call.", q.Max, q.Seconds),
		fmt.Sprintf(`for i in $(seq %d); do curl -sw ' %%{http_code} from port %%{remote_port}\n' http://127.0.0.1:$((%d + i %% %d))%s; done`,
			loop, int(d.base)+aboveProxy+1, nodeCount, d.domain.path()))
	part("The cluster, as any node tells it, and what is used of the quota.",
		"curl -sw '\\n' "+second.admin+"/v1/cluster",
		shellLine(d.name, "members", "--admin-url", second.admin),
		"curl -sw '\\n' "+third.admin+"/v1/domains/"+d.domain.key+"/quota",
		shellLine(d.name, "quota", d.domain.key, "--admin-url", third.admin))
	part("An endpoint with a quota of its own; one that the gateway answers itself; the Swagger document.",
		"curl -i "+second.proxy+d.domain.path()+"/1",
		"curl -i "+third.proxy+"/"+d.domain.key+"/version",
		shellLine(d.name, "export", d.domain.key, "--admin-url", first.admin))
	part("The leader dies: the others elect one, and go on counting where it was.",
		fmt.Sprintf("kill -9 %d", pid(leaderOf(d.nodes, roles))))
	b.WriteString("\nCtrl-C stops all of it.\n")
	return b.String()
}

// nodeTable lists the nodes, with the URLs to reach them at.
func nodeTable(nodes []*node, roles map[string]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tROLE\tPROXY\tADMIN\tPID")
	for _, n := range nodes {
		role := roles[n.id]
		if role == "" {
			role = "unknown"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", n.id, role, n.proxy, n.admin, pid(n))
	}
	w.Flush()
	return b.String()
}

// obituary tells of a node that has ended while the demo stays.
func (d *demo) obituary(n *node, left int) string {
	return fmt.Sprintf("\n%s has ended: %v; its log is %s\n%d of %d nodes are left. To start it again:\n%s\n",
		n.id, n.process.State(), n.log, left, len(d.nodes), shellLine(d.name, n.args...))
}

// leaderOf is the node whose role is leader, or the first.
func leaderOf(nodes []*node, roles map[string]string) *node {
	for _, n := range nodes {
		if roles[n.id] == "leader" {
			return n
		}
	}
	return nodes[0]
}

func pid(n *node) int {
	if n.process == nil {
		return 0
	}
	return n.process.PID()
}

// shellLine is a command as a shell reads it.
func shellLine(name string, args ...string) string {
	words := []string{shellWord(name)}
	for _, arg := range args {
		words = append(words, shellWord(arg))
	}
	return strings.Join(words, " ")
}

func shellWord(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,=@+"
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
