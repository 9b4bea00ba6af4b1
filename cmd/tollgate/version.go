package main

import "github.com/tollgate/tollgate/cmd/internal/cli"

// version and commit are set by the release build (-ldflags "-X main.version=…
// -X main.commit=…"); otherwise the build information tells.
var version, commit string

func readVersion() cli.Version { return cli.ReadVersion("tollgate", version, commit) }
