package report

import (
	"runtime"
	"strings"
	"testing"
)

func TestCPUModel(t *testing.T) {
	for _, c := range []struct{ name, info, want string }{
		{"x86", "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\nmodel name\t: AMD EPYC\n", "AMD EPYC"},
		{"a Raspberry Pi", "processor\t: 0\nCPU implementer\t: 0x41\n\nRevision\t: c03115\nModel\t\t: Raspberry Pi 4 Model B Rev 1.5\n", "Raspberry Pi 4 Model B Rev 1.5"},
		{"POWER", "processor\t: 0\ncpu\t\t: POWER9, altivec supported\n", "POWER9, altivec supported"},
		{"a server with ARM", "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", ""},
		{"nothing", "", ""},
	} {
		if got, ok := cpuModel(strings.NewReader(c.info)); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: got %q, %v, want %q", c.name, got, ok, c.want)
		}
	}
}

func TestMemoryTotal(t *testing.T) {
	for info, want := range map[string]uint64{
		"MemTotal:       24684096 kB\nMemFree:        1 kB\n": 24684096 << 10,
		"MemFree: 3 kB\nMemTotal: 1024 kB\n":                  1 << 20,
		"MemTotal: many kB\n":                                 0,
		"MemTotal: 7 MB\n":                                    0,
		"":                                                    0,
	} {
		if got, ok := memoryTotal(strings.NewReader(info)); got != want || ok != (want != 0) {
			t.Errorf("%q: got %d, %v, want %d", info, got, ok, want)
		}
	}
}

func TestThisMachine(t *testing.T) {
	m := ThisMachine()
	if m.Cores < 1 || m.OS == "" || m.Go != runtime.Version() {
		t.Errorf("got %+v", m)
	}
	if runtime.GOOS == "linux" && (m.MemoryBytes < 1<<20 || !strings.HasPrefix(m.OS, "Linux ")) {
		t.Errorf("on Linux, got %+v", m)
	}
	if got := (Machine{Cores: 1, OS: "plan9", Go: "go1.26"}).String(); got != "unknown processor, 1 core, plan9, go1.26" {
		t.Errorf("a machine that tells little is %q", got)
	}
}
