package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
)

// unknownCommit is the commit of a program that does not tell.
const unknownCommit = "unknown"

// Commit is the commit that a Tollgate program was built from, with "+dirty"
// behind it where the checkout had changes. A program that is no Tollgate is an
// error.
func Commit(ctx context.Context, binary string) (string, error) {
	out, err := exec.CommandContext(ctx, binary, "version", "--json").Output()
	if err != nil {
		return "", fmt.Errorf("%s version --json: %w", binary, err)
	}
	var v struct{ Version, Commit string }
	if err := json.Unmarshal(out, &v); err != nil || v.Version == "" {
		return "", fmt.Errorf("%s version --json answers %q, which no tollgate does", binary, out)
	}
	return Revision(v.Version, v.Commit), nil
}

// Revision is the commit of a program that tells its version and its commit.
// One that does not know its commit may have been named for it, as by
// git describe; one that was not is of "unknown".
func Revision(version, commit string) string {
	switch {
	case commit != "":
		return commit
	case version == "" || version == "(devel)":
		return unknownCommit
	}
	if clean, dirty := strings.CutSuffix(version, "-dirty"); dirty {
		return clean + "+dirty"
	}
	return version
}
