package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestNodeTable(t *testing.T) {
	nodes := newNodes(defaultBase, "/tmp/d")
	got := nodeTable(nodes, map[string]string{"n1": "follower", "n2": "leader"})
	want := `NODE  ROLE      PROXY                  ADMIN                  PID
n1    follower  http://127.0.0.1:8001  http://127.0.0.1:9001  0
n2    leader    http://127.0.0.1:8002  http://127.0.0.1:9002  0
n3    unknown   http://127.0.0.1:8003  http://127.0.0.1:9003  0
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestNodesForm(t *testing.T) {
	nodes := newNodes(17000, "/tmp/d")
	got := shellLine("bin/tollgate", nodes[0].args...) + "\n" + shellLine("bin/tollgate", nodes[2].args...)
	want := `bin/tollgate node --id n1 --data-dir /tmp/d/n1 --listen 127.0.0.1:18001 --admin 127.0.0.1:19001 --cluster 127.0.0.1:17001 --bootstrap --join http://127.0.0.1:19001,http://127.0.0.1:19002,http://127.0.0.1:19003 --disk-timeout 1m
bin/tollgate node --id n3 --data-dir /tmp/d/n3 --listen 127.0.0.1:18003 --admin 127.0.0.1:19003 --cluster 127.0.0.1:17003 --bootstrap --join http://127.0.0.1:19001,http://127.0.0.1:19002,http://127.0.0.1:19003 --disk-timeout 1m`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestShellLine(t *testing.T) {
	if got, want := shellLine("my bin/tollgate", "a", "", "it's", "$x"), `'my bin/tollgate' a '' 'it'\''s' '$x'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestGuide looks for what must follow the base port.
func TestGuide(t *testing.T) {
	domain, err := newDomain(17000)
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{name: "bin/tollgate", base: 17000, dir: "/tmp/d", nodes: newNodes(17000, "/tmp/d"), domain: domain}
	got := d.guide(map[string]string{"n1": "leader"})
	for _, want := range []string{
		"10 calls per 60 s",
		"http://127.0.0.1:18100",
		"The console is http://127.0.0.1:19001/console/",
		"\ncurl -i http://127.0.0.1:18001/petstore/pets\n",
		`for i in $(seq 20); do curl -sw ' %{http_code} from port %{remote_port}\n' http://127.0.0.1:$((18001 + i % 3))/petstore/pets; done`,
		"\ncurl -sw '\\n' http://127.0.0.1:19003/v1/domains/petstore/quota\n",
		"\nbin/tollgate quota petstore --admin-url http://127.0.0.1:19003\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestDomainFollowsTheBasePort(t *testing.T) {
	d, err := newDomain(17000)
	if err != nil {
		t.Fatal(err)
	}
	if d.key != "petstore" || d.path() != "/petstore/pets" || (d.quota != quota{Max: 10, Seconds: 60}) {
		t.Errorf("%+v, path %s", d, d.path())
	}
	text := string(d.document)
	if !json.Valid(d.document) || strings.Count(text, "http://127.0.0.1:18100") != 1 || strings.Contains(text, ":8100") {
		t.Errorf("the endpoint server is not at the base port:\n%s", text)
	}
}
