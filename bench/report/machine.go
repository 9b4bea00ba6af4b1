package report

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// What a commit is called where it is not a revision alone.
const (
	unknownCommit = "unknown"
	dirtySuffix   = "+dirty"
	commitDigits  = 12
)

// ThisMachine is the machine that this process runs on. What the system does
// not tell is left empty: outside Linux that is the processor, or 0: the
// memory.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), OS: kernel(), Go: runtime.Version()}
	m.CPU, _ = fromFile("/proc/cpuinfo", cpuModel)
	m.MemoryBytes, _ = fromFile("/proc/meminfo", memoryTotal)
	return m
}

// fromFile gives what parse finds in a file, and whether there was such.
func fromFile[T any](path string, parse func(io.Reader) (T, bool)) (v T, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return v, false // not Linux, or a /proc that is hidden
	}
	defer f.Close()
	return parse(f)
}

// cpuModel reads the form of /proc/cpuinfo, which names the processor's model
// on x86 for each core, and on other architectures at its end or not at all.
func cpuModel(r io.Reader) (string, bool) {
	found := map[string]string{}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		if value = strings.TrimSpace(value); value != "" {
			found[strings.TrimSpace(key)] = value
		}
	}
	for _, key := range []string{"model name", "cpu model", "Model", "Hardware", "cpu"} {
		if name := found[key]; name != "" {
			return name, true
		}
	}
	return "", false
}

// memoryTotal reads the form of /proc/meminfo, "MemTotal: 24684096 kB".
func memoryTotal(r io.Reader) (uint64, bool) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			kib, err := strconv.ParseUint(fields[1], 10, 54)
			return kib << 10, err == nil
		}
	}
	return 0, false
}

// String is the machine in one line.
func (m Machine) String() string {
	cpu := m.CPU
	if cpu == "" {
		cpu = "unknown processor"
	}
	parts := []string{cpu, plural(uint64(m.Cores), "core")}
	if m.MemoryBytes > 0 {
		parts = append(parts, byteSize(float64(m.MemoryBytes)))
	}
	for _, part := range []string{m.OS, m.Go} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// shortCommit cuts a revision to what tells it from others.
func shortCommit(commit string) string {
	revision, dirty := strings.CutSuffix(commit, dirtySuffix)
	if revision == "" {
		return unknownCommit
	}
	revision = fmt.Sprintf("%.*s", commitDigits, revision)
	if dirty {
		revision += dirtySuffix
	}
	return revision
}
