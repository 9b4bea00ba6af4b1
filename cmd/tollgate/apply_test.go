package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/node/nodetest"

	"github.com/tollgate/tollgate/cmd/internal/cli"
)

// TestApply: a folder is imported and deployed, its second run does nothing, a
// change is shown, and what no document is about goes only with --prune.
func TestApply(t *testing.T) {
	n := nodetest.Start(t, 1).Nodes[0]
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args string, status int) string {
		t.Helper()
		got := command{args: words(args), env: []string{"TOLLGATE_ADMIN_URL=http://" + n.AdminAddr()}}.run(t.Context())
		if got.status != status {
			t.Fatalf("tollgate %s: %+v", args, got)
		}
		return strings.ReplaceAll(got.out+got.err, dir+"/", "")
	}
	expect := func(args string, status int, want string) {
		t.Helper()
		if got := run(args, status); got != want {
			t.Errorf("tollgate %s\n got %s\nwant %s", args, got, want)
		}
	}
	const pets = "openapi: 3.0.0\ninfo: {title: Pets}\npaths: {/pets: {get: {}}}\nx-toastcloud-apigw:\n  key: pets\n  endpointServer: http://10.0.0.9\n" +
		"  plugins:\n    HMAC: {secretKey: hunter2, clockSkew: 60}\n"
	expect("apply -f "+dir, cli.Usage, "tollgate apply: -f "+dir+": there is no document in it (*.json, *.yaml, *.yml)\nSee: tollgate apply --help\n")
	write("shop.json", document)
	write("pets.yaml", pets)
	write("notes.txt", "not a document")

	expect("apply --dry-run -f "+dir, cli.Done, "pets: would be new, from pets.yaml\nshop: would be new, from shop.json\n")
	expect("domains --json", cli.Done, "[]\n")
	expect("apply -f "+dir, cli.Done, "pets: revision 1 is live, from pets.yaml\nshop: revision 1 is live, from shop.json\n")
	expect("apply -f "+dir, cli.Done, "pets: unchanged\nshop: unchanged\n")

	// What was exported without secrets is applied without losing them.
	write("pets.yaml", strings.Replace(strings.Replace(pets, "hunter2", "'********'", 1), "clockSkew: 60", "clockSkew: 90", 1))
	expect("apply -f "+dir+" --dry-run", cli.Done, "pets: would be live as pets.yaml says\n~ $['x-toastcloud-apigw'].plugins.HMAC.clockSkew: 60 -> 90\nshop: unchanged\n")
	expect("apply -f "+dir, cli.Done, "pets: revision 2 is live, from pets.yaml\n~ $['x-toastcloud-apigw'].plugins.HMAC.clockSkew: 60 -> 90\nshop: unchanged\n")
	if export := run("export pets --secrets", cli.Done); !strings.Contains(export, "secretKey: hunter2") || !strings.HasPrefix(export, "openapi: 3.0.0\n") {
		t.Errorf("exported\n%s", export)
	}

	// One that is wrong keeps all from being changed; of another title needs no leave.
	write("shop.json", strings.Replace(document, `"Shop"`, `"Store"`, 1))
	write("bad.yml", "swagger: [")
	if got := run("apply -f "+dir+" --prune", cli.Failed); !strings.HasPrefix(got, "tollgate apply: nothing was changed\n  bad.yml: not YAML") {
		t.Errorf("got %s", got)
	}
	write("bad.yml", pets)
	if got := run("apply -f "+dir, cli.Failed); !strings.Contains(got, "pets.yaml: is about the domain pets, as bad.yml is: keep one") {
		t.Errorf("got %s", got)
	}
	if err := os.Remove(filepath.Join(dir, "bad.yml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "pets.yaml")); err != nil {
		t.Fatal(err)
	}
	expect("apply -f "+dir, cli.Done, "shop: revision 2 is live, from shop.json\n~ $.info.title: \"Shop\" -> \"Store\"\n")
	expect("apply -f "+dir+" --prune --dry-run", cli.Done, "shop: unchanged\npets: would be deleted, with its quota; no document is about it\n")
	expect("apply -f "+dir+" --prune --json", cli.Done, `[{"file":"shop.json","key":"shop","action":"unchanged","warnings":[]},{"key":"pets","action":"delete","warnings":[]}]`+"\n")
	expect("apply -f "+dir+" --prune", cli.Done, "shop: unchanged\n")
}
