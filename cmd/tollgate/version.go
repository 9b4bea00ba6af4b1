package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version and commit are set by the release build (-ldflags "-X main.version=…
// -X main.commit=…"); otherwise the build information tells.
var version, commit string

// versionInfo is the answer of `tollgate version --json`.
type versionInfo struct {
	Version string `json:"version"`
	// Commit is empty where the build did not know it, and ends in "+dirty"
	// where the checkout had changes.
	Commit   string `json:"commit"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (v versionInfo) String() string {
	commit := v.Commit
	if commit == "" {
		commit = "unknown"
	}
	return fmt.Sprintf("tollgate %s (commit %s, %s, %s)", v.Version, commit, v.Go, v.Platform)
}

func readVersion() versionInfo {
	v := versionInfo{Version: version, Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok && v.Version == "" {
		v.Version = info.Main.Version
	}
	if v.Version == "" {
		v.Version = "(devel)"
	}
	if ok && v.Commit == "" {
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		v.Commit = settings["vcs.revision"]
		if v.Commit != "" && settings["vcs.modified"] == "true" {
			v.Commit += "+dirty"
		}
	}
	return v
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  takes(),
		RunE: func(*cobra.Command, []string) error {
			v := readVersion()
			if !asJSON {
				return a.print([]byte(v.String() + "\n"))
			}
			b, err := json.Marshal(v)
			if err != nil {
				return err
			}
			return a.print(line(b))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, for scripts")
	return cmd
}
