package peers

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// FolderVariable is the environment variable that names the folder where peers
// are looked for first. Without it that is bin/peers, where make bench-peers
// puts those that it builds: below the working directory, and beside the folder
// of the running program's own file.
const FolderVariable = "TOLLGATE_BENCH_PEERS"

// versionPatience bounds the time that a program may take to tell its version.
const versionPatience = 10 * time.Second

// Program is an executable file that a peer needs.
type Program struct {
	// Name is the file's.
	Name string
	// version tells the version of the program at path.
	version func(ctx context.Context, path string) (string, error)
}

// The programs that peers consist of.
var (
	nginx       = Program{"nginx", printed("-v")}
	haproxy     = Program{"haproxy", printed("-v")}
	caddy       = Program{"caddy", built("github.com/caddyserver/caddy/v2")}
	redisServer = Program{"redis-server", printed("--version")}
	ratelimit   = Program{"ratelimit", built("github.com/envoyproxy/ratelimit")}
)

// Folders are where programs are looked for, in this order: what make
// bench-peers has built, the PATH, and where systems keep servers, which is not
// on everybody's PATH.
func Folders() []string {
	var folders []string
	if own := os.Getenv(FolderVariable); own != "" {
		folders = append(folders, own)
	} else {
		folders = append(folders, filepath.Join("bin", "peers"))
		if self, err := os.Executable(); err == nil {
			folders = append(folders, filepath.Join(filepath.Dir(self), "peers"))
		}
	}
	folders = append(folders, filepath.SplitList(os.Getenv("PATH"))...)
	return append(folders, "/usr/local/sbin", "/usr/sbin", "/sbin")
}

// find is the program's file in the first of the folders that has it. The error
// is for people who miss it.
func (p Program) find(folders []string) (path string, err error) {
	for _, folder := range folders {
		if folder == "" { // in a PATH: the working directory, where nobody keeps a peer
			continue
		}
		path, err := filepath.Abs(filepath.Join(folder, p.Name))
		if err != nil {
			continue
		}
		if path, err := exec.LookPath(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: it is not in %s, nor on the PATH; make bench-peers installs what can be had", p.Name, folders[0])
}

// number is a version, wherever it stands in a line.
var number = regexp.MustCompile(`[0-9]+(\.[0-9]+)+[-+~.0-9A-Za-z]*`)

// printed is a version that a program prints when it is run with a flag.
func printed(flag string) func(context.Context, string) (string, error) {
	return func(ctx context.Context, path string) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, versionPatience)
		defer cancel()
		out, err := exec.CommandContext(ctx, path, flag).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s %s: %w", path, flag, err)
		}
		line, _, _ := strings.Cut(string(out), "\n")
		if version := number.FindString(line); version != "" {
			return version, nil
		}
		return "", fmt.Errorf("%s %s tells no version: %q", path, flag, line)
	}
}

// built is the version of the module that a Go program was built from.
func built(module string) func(context.Context, string) (string, error) {
	return func(_ context.Context, path string) (string, error) {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("the version of %s: %w", path, err)
		}
		if info.Main.Path == module {
			return info.Main.Version, nil
		}
		return "", fmt.Errorf("%s was not built from %s, but from %s", path, module, info.Main.Path)
	}
}
