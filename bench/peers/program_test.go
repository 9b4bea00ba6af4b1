package peers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	write := func(path string, mode os.FileMode) {
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	program := Program{Name: "server"}
	folders := []string{first, "", second}
	_, err := program.find(folders)
	if err == nil || !strings.Contains(err.Error(), "server is not installed") || !strings.Contains(err.Error(), first) || !strings.Contains(err.Error(), "make bench-peers") {
		t.Errorf("no such program: %v", err)
	}
	write(filepath.Join(first, "server"), 0o600) // no program
	write(filepath.Join(second, "server"), 0o700)
	if path, err := program.find(folders); err != nil || path != filepath.Join(second, "server") {
		t.Errorf("the program in the second folder is found at %q, error %v", path, err)
	}
	write(filepath.Join(first, "other"), 0o700)
	write(filepath.Join(second, "other"), 0o700)
	if path, err := (Program{Name: "other"}).find(folders); err != nil || path != filepath.Join(first, "other") {
		t.Errorf("the program in both folders is found at %q, error %v", path, err)
	}
}

func TestFolders(t *testing.T) {
	t.Setenv("PATH", "/first"+string(os.PathListSeparator)+"/second")
	t.Setenv(FolderVariable, "")
	if got := Folders(); got[0] != filepath.Join("bin", "peers") || !slices.Contains(got, "/second") || !slices.Contains(got, "/usr/sbin") {
		t.Errorf("programs are looked for in %q", got)
	}
	t.Setenv(FolderVariable, "/own")
	if got := Folders(); !slices.Equal(got[:3], []string{"/own", "/first", "/second"}) {
		t.Errorf("with a folder of one's own, programs are looked for in %q", got)
	}
}

func TestVersion(t *testing.T) {
	for line, want := range map[string]string{
		"nginx version: nginx/1.22.1":                                                "1.22.1",
		"HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/":         "2.6.12-1+deb12u4",
		"Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=a": "7.0.15",
		"a server": "",
	} {
		path := filepath.Join(t.TempDir(), "server")
		script := "#!/bin/sh\necho '" + line + "' >&2\necho more 9.9.9\n"
		if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		got, err := printed("-v")(t.Context(), path)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q has the version %q, error %v; expected %q", line, got, err, want)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := built("github.com/tollgate/tollgate")(t.Context(), self); err != nil || got == "" {
		t.Errorf("this test was built from our module in the version %q, error %v", got, err)
	}
	if got, err := built("example.com/another")(t.Context(), self); err == nil || !strings.Contains(err.Error(), "was not built from example.com/another") {
		t.Errorf("this test was built from another module in the version %q, error %v", got, err)
	}
}
