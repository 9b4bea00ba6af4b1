package admin

import (
	"net/http"
	"os"
	"testing"

	"github.com/tollgate/tollgate/store"
)

// backupFile is a backup of a cluster with one domain.
var backupFile = func() string {
	raw, err := os.ReadFile("../../store/testdata/backup1")
	if err != nil {
		panic(err)
	}
	return string(raw)
}()

// TestRestore: what is no backup, or is not whole, changes nothing, and over domains a
// restore must be confirmed.
func TestRestore(t *testing.T) {
	whole, err := store.ReadBackup([]byte(backupFile))
	if err != nil {
		t.Fatal(err)
	}
	octets := http.Header{"Content-Type": {"application/octet-stream"}}
	damaged := backupFile[:len(backupFile)-1]
	run(t, []call{
		{name: "confirmed", do: "POST /v1/restore?confirm=true", header: octets, body: backupFile, status: 200, asked: "domains; restore c1",
			want: `{"index":77,"domains":1,"pending":[],"createdAt":"2023-11-14T22:13:20.000Z","clusterId":"c1","backupIndex":6,"digest":"` + whole.Info.Digest + `"}`},
		{name: "not confirmed", do: "POST /v1/restore", header: octets, body: backupFile, status: 409, asked: "domains",
			want: failed(40900, "the cluster has 2 domains, which a restore replaces with all their quotas and consumers: confirm=true (--confirm) does so")},
		{name: "cut off", do: "POST /v1/restore?confirm=true", header: octets, body: damaged, status: 422, asked: "domains",
			want: failed(42200, "the backup is damaged or cut off, and none of it is used")},
		{name: "something else", do: "POST /v1/restore?confirm=true", header: octets, body: "{}", status: 422, asked: "domains",
			want: failed(42200, "this is no backup of Tollgate")},
		{name: "as JSON", do: "POST /v1/restore?confirm=true", header: http.Header{"Content-Type": {"application/json"}}, body: backupFile, status: 415,
			want: failed(41500, "Content-Type application/json is not understood: send the backup as application/octet-stream")},
		{name: "a backup", do: "GET /v1/backup", status: 200, asked: "backup", want: "a backup", heads: map[string]string{"Content-Type": "application/octet-stream"}},
		{name: "the head of a backup", do: "HEAD /v1/backup", status: 200, heads: map[string]string{"Content-Type": "application/octet-stream"}},
		{name: "a backup without a leader", do: "GET /v1/backup", fail: ErrNoLeader, status: 503, asked: "backup",
			want: failed(50300, "the cluster has no leader now")},
		{name: "a backup with wishes", do: "GET /v1/backup?full=true", status: 422,
			want: failed(42200, "the query is refused: 1 problem", "?full", "unknown parameter; this call takes none")},
	}, nil)
}
