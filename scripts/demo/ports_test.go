package main

import (
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestPorts(t *testing.T) {
	got := defaultBase.all()
	slices.Sort(got)
	want := "127.0.0.1:7001 127.0.0.1:7002 127.0.0.1:7003 127.0.0.1:8001 127.0.0.1:8002 127.0.0.1:8003 127.0.0.1:8100 127.0.0.1:9001 127.0.0.1:9002 127.0.0.1:9003"
	if strings.Join(got, " ") != want {
		t.Errorf("got %v", got)
	}
}

func TestTakenPortsAreNamed(t *testing.T) {
	base, err := freeBase()
	if err != nil {
		t.Fatal(err)
	}
	for _, above := range []int{aboveAdmin + 2, aboveEndpoint} {
		ln, err := net.Listen("tcp", base.at(above))
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
	}
	err = base.checkFree()
	want := base.endpoint() + ", " + base.at(aboveAdmin+2) + " are taken, by what is unknown: stop what listens there, or count from another port than "
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), ": make run BASE_PORT=") {
		t.Errorf("got %v", err)
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil || !strings.Contains(string(makefile), "-base-port $(BASE_PORT)") {
		t.Errorf("the Makefile knows no BASE_PORT: %v", err)
	}
}

func TestCommandLine(t *testing.T) {
	for line, want := range map[string]options{
		"":                          {"bin/tollgate", 7000, false},
		"-check":                    {"bin/tollgate", 0, true},
		"-check -base-port 17000":   {"bin/tollgate", 17000, true},
		"-tollgate t -base-port 0":  {"t", 0, false},
		"-base-port 63532":          {"bin/tollgate", 63532, false},
		"-base-port=7000 -check=no": {},
		"-base-port 63533":          {},
		"-base-port -1":             {},
		"-base-port 7000 more":      {},
	} {
		got, err := parse(strings.Fields(line), io.Discard)
		if refused := want == (options{}); (err != nil) != refused || !refused && got != want {
			t.Errorf("%q: %+v, %v", line, got, err)
		}
	}
}
