package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// clusterAnswer is what a node answers to GET /v1/cluster.
const clusterAnswer = `{"clusterId":"c-1","leader":"n1","term":7,"members":[` +
	`{"id":"n1","voter":true,"role":"leader","clusterAddress":"10.0.0.1:7001","adminAddress":"10.0.0.1:9001","proxyAddress":"10.0.0.1:8001","reachable":true,"appliedIndex":1042,"version":"1.2","rules":3},` +
	`{"id":"node-two","voter":false,"role":"nonvoter","clusterAddress":"10.0.0.2:7001","adminAddress":"10.0.0.2:9001","proxyAddress":"10.0.0.2:8001","reachable":false,"appliedIndex":9,"version":"","rules":0}]}`

// recorder is a node that notes what it is asked and gives one answer.
type recorder struct {
	status int
	answer string
	asked  string
}

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	rec.asked = strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, body))
	if auth := r.Header.Get("Authorization"); auth != "" {
		rec.asked += " with " + auth
	}
	if cond := r.Header.Get("If-Match"); cond != "" {
		rec.asked += " if " + cond
	}
	if len(body) > 0 && r.Header.Get("Content-Type") != "application/json" {
		rec.asked += " as " + r.Header.Get("Content-Type")
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("ETag", `"17"`)
	w.WriteHeader(rec.status)
	_, _ = io.WriteString(w, rec.answer)
}

const saved3 = `{"key":"shop","revision":3,"deployed":false,"warnings":[{"path":"$.paths['/x'].get","message":"rewrite: open\u001b[2J group"}]}`

func TestCommands(t *testing.T) {
	file := writeFile(t, "shop.json", document)
	secret := writeFile(t, "token", "s3cret\n")
	for _, c := range []struct {
		args   string
		env    string
		stdin  string
		status int // of the node's answer; 0 is 200
		answer string

		asked string
		want  outcome
	}{
		{args: "import " + file, answer: saved3, asked: "POST /v1/domains " + document,
			want: outcome{0, "shop: saved as revision 3, not live yet; `tollgate deploy shop` makes it so\n", "warning: $.paths['/x'].get: rewrite: open\\x1b[2J group\n"}},
		{args: "import - --deploy --endpoint-server http://e:1", stdin: "{}", answer: `{"key":"shop","revision":4,"deployed":true,"warnings":[]}`,
			asked: "POST /v1/domains?deploy=true&endpointServer=http%3A%2F%2Fe%3A1 {}",
			want:  outcome{0, "shop: revision 4 is live\n", ""}},
		{args: "import - --key k --name n --scheme https --replace", stdin: "a: b", answer: saved3, asked: "POST /v1/domains?key=k&name=n&replace=true&scheme=https a: b as application/yaml",
			want: outcome{0, "shop: saved as revision 3, not live yet; `tollgate deploy shop` makes it so\n", "warning: $.paths['/x'].get: rewrite: open\\x1b[2J group\n"}},
		{args: "import - --dry-run", stdin: "{}", answer: `{"key":"shop","revision":0,"deployed":false,"warnings":[]}`,
			asked: "POST /v1/domains?dryRun=true {}",
			want:  outcome{0, "shop: the document is valid; nothing was saved\n", ""}},
		{args: "import - --json", stdin: "{}", answer: saved3, asked: "POST /v1/domains {}",
			want: outcome{0, saved3 + "\n", ""}},
		{args: "import -", stdin: "{}", status: 422, asked: "POST /v1/domains {}",
			answer: `{"header":{"resultCode":42200,"resultMessage":"42200 the document is refused: 2 problems","isSuccessful":false},"errors":[{"path":"$.basePath","message":"is missing"},{"path":"$.info","message":"is missing"}]}`,
			want:   outcome{1, "", "tollgate import: the document is refused: 2 problems (42200)\n  $.basePath: is missing\n  $.info: is missing\n"}},
		{args: "export shop --deployed --secrets", answer: "{\n  \"swagger\": \"2.0\"\n}\n", asked: "GET /v1/domains/shop?deployed=true&secrets=true",
			want: outcome{0, "{\n  \"swagger\": \"2.0\"\n}\n", ""}},
		{args: "export a/b", status: 422, answer: `{"header":{"resultCode":42200,"resultMessage":"42200 no domain can have the key","isSuccessful":false}}`, asked: "GET /v1/domains/a%2Fb",
			want: outcome{1, "", "tollgate export: no domain can have the key (42200)\n"}},
		{args: "deploy shop", answer: `{"key":"shop","revision":4,"deployed":true,"warnings":[]}`, asked: "POST /v1/domains/shop/deploy",
			want: outcome{0, "shop: revision 4 is live\n", ""}},
		{args: "deploy shop", answer: `{"key":"shop","revision":4,"deployed":true,"warnings":[],"pending":["n2","n3"]}`, asked: "POST /v1/domains/shop/deploy",
			want: outcome{0, "shop: revision 4 is live, but not yet at n2, n3\n", ""}},
		{args: "deploy shop --if-match 17", answer: `{"key":"shop","revision":4,"deployed":true,"warnings":[],"pending":[]}`, asked: `POST /v1/domains/shop/deploy if "17"`,
			want: outcome{0, "shop: revision 4 is live\n", ""}},
		{args: `import - --if-match "17"`, stdin: "{}", status: 412, answer: `{"header":{"resultCode":41200,"resultMessage":"41200 changed","isSuccessful":false}}`, asked: `POST /v1/domains {} if "17"`,
			want: outcome{1, "", "tollgate import: changed (41200)\n"}},
		{args: "import - --if-match *", stdin: "{}", answer: saved3, asked: `POST /v1/domains {} if *`,
			want: outcome{0, "shop: saved as revision 3, not live yet; `tollgate deploy shop` makes it so\n", "warning: $.paths['/x'].get: rewrite: open\\x1b[2J group\n"}},
		{args: "export shop --etag", answer: "{}\n", asked: "GET /v1/domains/shop", want: outcome{0, "{}\n", "ETag: \"17\"\n"}},
		{args: "--json domains", answer: `[]`, asked: "GET /v1/domains", want: outcome{0, "[]\n", ""}},
		{args: "deploy shop --json", status: 503, answer: `{"header":{"resultCode":50300,"resultMessage":"50300 the cluster has no leader now","isSuccessful":false}}`, asked: "POST /v1/domains/shop/deploy",
			want: outcome{1, `{"header":{"resultCode":50300,"resultMessage":"50300 the cluster has no leader now","isSuccessful":false}}` + "\n", "tollgate deploy: the cluster has no leader now (50300)\n"}},
		{args: "domains", answer: `[{"key":"a","name":"한글\tX","draftRevision":12,"deployedRevision":null,"endpoints":0},{"key":"shop","name":"Shop","draftRevision":3,"deployedRevision":2,"endpoints":140}]`, asked: "GET /v1/domains",
			want: outcome{0, "" +
				"KEY   NAME     DRAFT  DEPLOYED  ENDPOINTS\n" + // 한글 takes four places
				"a     한글\\tX  12     -         0\n" +
				"shop  Shop     3      2         140\n", ""}},
		{args: "domains", answer: `[]`, asked: "GET /v1/domains",
			want: outcome{0, "There are no domains yet; `tollgate import FILE` makes one.\n", ""}},
		{args: "domains --json", answer: `[]`, asked: "GET /v1/domains", want: outcome{0, "[]\n", ""}},
		{args: "clone shop shop2", answer: `{"key":"shop2","revision":1,"deployed":false,"warnings":[]}`, asked: `POST /v1/domains/shop/clone {"key":"shop2"}`,
			want: outcome{0, "shop2: saved as revision 1, not live yet; `tollgate deploy shop2` makes it so\n", ""}},
		{args: "clone shop shop2 --name Second", answer: `{"key":"shop2","revision":1,"deployed":false,"warnings":[]}`, asked: `POST /v1/domains/shop/clone {"key":"shop2","name":"Second"}`,
			want: outcome{0, "shop2: saved as revision 1, not live yet; `tollgate deploy shop2` makes it so\n", ""}},
		{args: "delete shop --confirm shop", answer: `{"key":"shop","deleted":true}`, asked: "DELETE /v1/domains/shop?confirm=shop",
			want: outcome{0, "shop: deleted\n", ""}},
		{args: "quota shop --caller kim --top 2", asked: "GET /v1/domains/shop/quota?caller=kim&top=2",
			answer: `{"conditions":[{"endpoint":null,"maxUsageQuota":9,"resetTimeSeconds":0,"used":4,"windowEndsAt":"2019-03-20T03:00:00.005Z","leased":0,"pool":16,"phase":"strict","lost":0,"period":{"unit":"month","timeZone":"UTC"},"by":"consumer","caller":"kim","windowId":17,"windowMax":20}],` +
				`"top":[{"endpoint":null,"by":"consumer","window":"month","caller":"kim","digest":"aa","used":4,"windowMax":20,"windowId":17,"windowEndsAt":"2019-03-20T03:00:00.005Z"},{"endpoint":"GET /x","by":"ip","window":60,"digest":"bb","used":1,"windowMax":5,"windowId":18,"windowEndsAt":"2019-03-20T03:00:00.005Z"}]}`,
			want: outcome{0, "ENDPOINT        BY            USED  LEASED  LOST  MAX  PER        PHASE   WINDOW ENDS\n" +
				"(whole domain)  consumer kim  4     0       0     20   month UTC  strict  2019-03-20T03:00:00.005Z\n\n" +
				"ENDPOINT        BY        WINDOW  CALLER OR DIGEST  USED  MAX  WINDOW ENDS\n" +
				"(whole domain)  consumer  month   kim               4     20   2019-03-20T03:00:00.005Z\n" +
				"GET /x          ip        60      bb                1     5    2019-03-20T03:00:00.005Z\n", ""}},
		{args: "quota reset shop --window month --by consumer --caller kim --window-id 17", asked: `POST /v1/domains/shop/quota/reset {"by":"consumer","caller":"kim","window":"month","windowId":17}`,
			answer: `{"key":"shop","reset":true}`, want: outcome{0, "shop: the window has ended; the next call opens another\n", ""}},
		{args: "quota adjust shop --window 60 --endpoint GET_/x --add -5", asked: `POST /v1/domains/shop/quota/adjust {"add":-5,"endpoint":"GET_/x","window":60}`,
			answer: `{"key":"shop","added":-5}`, want: outcome{0, "shop: -5 for the window that runs\n", ""}},
		{args: "stats shop --from 1700000000 --to 2023-11-15T12:02:00+00:00 --step 60 --endpoint GET_/a", asked: "GET /v1/domains/shop/stats?endpoint=GET_%2Fa&from=1700000000&step=60&to=1700049720",
			answer: `{"domain":"shop","from":1699999980,"to":1700049720,"step":60,"missing":["n2","n3"],` +
				`"sum":{"successes":4,"failures":10,"byGateway":9,"total":14,"meanMillis":0.714,"p50Millis":1.008,"p99Millis":9.984,"bytesOut":77,"refusals":{"20004":7,"40401":2}},"points":[` +
				`{"at":1700049540,"endpoint":"","successes":0,"failures":2,"byGateway":2,"total":2,"meanMillis":0,"p50Millis":0,"p99Millis":0,"bytesOut":0,"refusals":{"40401":2}},` +
				`{"at":1700049600,"endpoint":"GET /a","successes":4,"failures":8,"byGateway":7,"total":12,"meanMillis":0.833,"p50Millis":1.008,"p99Millis":9.984,"bytesOut":77,"refusals":{"20004":7}}]}`,
			want: outcome{0, "AT                    ENDPOINT  TOTAL  SUCCESSES  FAILURES  BY GATEWAY  MEAN MS  P50 MS  P99 MS  BYTES OUT  REFUSALS\n" +
				"2023-11-15T11:59:00Z  (none)    2      0          2         2           0.000    0.000   0.000   0          40401: 2\n" +
				"2023-11-15T12:00:00Z  GET /a    12     4          8         7           0.833    1.008   9.984   77         20004: 7\n" +
				"(sum)                 -         14     4          10        9           0.714    1.008   9.984   77         20004: 7, 40401: 2\n" +
				"\nn2, n3 did not answer: their calls are missing.\n", ""}},
		{args: "stats shop", asked: "GET /v1/domains/shop/stats", answer: `{"domain":"shop","from":1699999980,"to":1700003580,"step":60,"missing":[],"sum":{},"points":[]}`,
			want: outcome{0, "shop: no calls from 2023-11-14T22:13:00Z to 2023-11-14T23:13:00Z\n", ""}},
		{args: "stats shop --json", asked: "GET /v1/domains/shop/stats", answer: `{"domain":"shop"}`, want: outcome{0, `{"domain":"shop"}` + "\n", ""}},
		{args: "stats shop --from yesterday", want: outcome{2, "", "tollgate stats: --from yesterday: must be Unix seconds, or a time such as 2026-01-31T09:00:00Z\nSee: tollgate stats --help\n"}},
		{args: "consumers shop", asked: "GET /v1/domains/shop/consumers", answer: `[{"id":"kim","name":"Kim","plan":"pro","keys":[{"prefix":"tg_12345678","createdAt":"2019-03-20T03:00:00.005Z"}]}]`,
			want: outcome{0, "ID   NAME  PLAN  KEYS\nkim  Kim   pro   tg_12345678…\n", ""}},
		{args: "consumers shop --after kim", asked: "GET /v1/domains/shop/consumers?after=kim", answer: `[]`,
			want: outcome{0, "There are no consumers; `tollgate consumers put KEY ID` makes one.\n", ""}},
		{args: "consumers put shop kim --plan pro", asked: `PUT /v1/domains/shop/consumers/kim {"name":"","plan":"pro"}`, answer: `{"id":"kim","name":"","plan":"pro","keys":[]}`,
			want: outcome{0, "kim: saved, with 0 keys\n", ""}},
		{args: "consumers delete shop kim", asked: "DELETE /v1/domains/shop/consumers/kim", answer: `{"id":"kim","deleted":true}`,
			want: outcome{0, "kim: deleted; no key of it is let in any more\n", ""}},
		{args: "keys shop kim", asked: "GET /v1/domains/shop/consumers/kim", answer: `{"id":"kim","name":"","plan":"","keys":[{"prefix":"tg_12345678","createdAt":"2019-03-20T03:00:00.005Z"}]}`,
			want: outcome{0, "PREFIX       CREATED\ntg_12345678  2019-03-20T03:00:00.005Z\n", ""}},
		{args: "keys add shop kim", asked: "POST /v1/domains/shop/consumers/kim/keys", answer: `{"key":"tg_1234567890","prefix":"tg_12345678","createdAt":"2019-03-20T03:00:00.005Z"}`,
			want: outcome{0, "tg_1234567890\n", "This is the only time that the key is shown:\n"}},
		{args: "keys delete shop kim tg_12345678", asked: "DELETE /v1/domains/shop/consumers/kim/keys/tg_12345678", answer: `{"prefix":"tg_12345678","deleted":true}`,
			want: outcome{0, "tg_12345678…: deleted\n", ""}},
		{args: "quota shop", answer: `{"conditions":[{"endpoint":null,"maxUsageQuota":1000000000000,"resetTimeSeconds":3600,"used":12,"windowEndsAt":"2019-03-20T03:00:00.005Z","leased":3,"pool":999999999985,"phase":"leasing","lost":1},{"endpoint":"GET /x/**","maxUsageQuota":5,"resetTimeSeconds":1,"used":0,"windowEndsAt":null,"leased":0,"pool":5,"phase":null,"lost":0}]}`, asked: "GET /v1/domains/shop/quota",
			want: outcome{0, "" +
				"ENDPOINT        USED  LEASED  LOST  MAX            PER    PHASE    WINDOW ENDS\n" +
				"(whole domain)  12    3       1     1000000000000  3600s  leasing  2019-03-20T03:00:00.005Z\n" +
				"GET /x/**       0     0       0     5              1s     -        -\n", ""}},
		{args: "quota shop", answer: `{"conditions":[]}`, asked: "GET /v1/domains/shop/quota",
			want: outcome{0, "shop: no quota is in force\n", ""}},
		{args: "members", answer: clusterAnswer, asked: "GET /v1/cluster",
			want: outcome{0, "" +
				"Cluster c-1, leader n1, term 7\n" +
				"ID        ROLE      VOTER  REACHABLE  APPLIED  VERSION  RULES  PROXY          ADMIN          CLUSTER\n" +
				"n1        leader    yes    yes        1042     1.2      3      10.0.0.1:8001  10.0.0.1:9001  10.0.0.1:7001\n" +
				"node-two  nonvoter  no     no         9        -        0      10.0.0.2:8001  10.0.0.2:9001  10.0.0.2:7001\n", ""}},
		{args: "members", answer: `{"clusterId":"","leader":"","term":0,"members":[]}`, asked: "GET /v1/cluster",
			want: outcome{0, "Cluster -, no leader is known, term 0\nID  ROLE  VOTER  REACHABLE  APPLIED  VERSION  RULES  PROXY  ADMIN  CLUSTER\n", ""}},
		{args: "revisions shop", asked: "GET /v1/domains/shop/revisions",
			answer: `[{"revision":8,"at":"2026-01-02T03:04:05.000Z","name":"kim","note":"a longer window","deployed":false},{"revision":7,"at":"","name":"","note":"","deployed":true}]`,
			want: outcome{0, "" +
				"REVISION  LIVE  SAVED                     BY   NOTE\n" +
				"8         -     2026-01-02T03:04:05.000Z  kim  a longer window\n" +
				"7         live  -                         -    -\n", ""}},
		{args: "revisions shop 7", answer: "{\n}\n", asked: "GET /v1/domains/shop/revisions/7", want: outcome{0, "{\n}\n", ""}},
		{args: "rollback shop 7", asked: `POST /v1/domains/shop/deploy {"revision":7}`, answer: `{"key":"shop","revision":7,"deployed":true,"warnings":[{"path":"$","message":"the draft stays"}],"pending":[]}`,
			want: outcome{0, "shop: revision 7 is live\n", "warning: $: the draft stays\n"}},
		{args: "import - --note why", stdin: "{}", answer: saved3, asked: "POST /v1/domains?note=why {}",
			want: outcome{0, "shop: saved as revision 3, not live yet; `tollgate deploy shop` makes it so\n", "warning: $.paths['/x'].get: rewrite: open\\x1b[2J group\n"}},
		{args: "diff shop --from 7 --to 8", asked: "GET /v1/domains/shop/diff?from=7&to=8",
			answer: `{"key":"shop","from":7,"to":8,"equal":false,"changes":[{"path":"$.a","from":1,"to":2},{"path":"$.b","to":3}],"truncated":false}`,
			want:   outcome{0, "shop: from revision 7 to revision 8: 2 changes\n~ $.a: 1 -> 2\n+ $.b: 3\n", ""}},
		{args: "audit --limit 1", asked: "GET /v1/audit?limit=1", answer: `[{"at":"2026-01-02T03:04:05.000Z","name":"kim","role":"deploy","address":"10.0.0.9","action":"rollback","domain":"shop","revision":7}]`,
			want: outcome{0, "" +
				"AT                        NAME  ROLE    ADDRESS   ACTION    OF    REVISION\n" +
				"2026-01-02T03:04:05.000Z  kim   deploy  10.0.0.9  rollback  shop  7\n", ""}},
		{args: "restore " + file + " --confirm", asked: "POST /v1/restore?confirm=true " + document + " as application/octet-stream",
			answer: `{"index":9,"domains":3,"pending":["n2"],"createdAt":"2026-01-02T03:04:05.000Z","clusterId":"c-1","backupIndex":7,"digest":"aa"}`,
			want:   outcome{0, "Restored the backup of 2026-01-02T03:04:05.000Z, cluster c-1: 3 domains, but not yet at n2\n", ""}},
		{args: "join n4 --cluster-address h:1 --admin-address h:2 --proxy-address h:3", answer: clusterAnswer,
			asked: `POST /v1/cluster/join {"id":"n4","clusterAddress":"h:1","adminAddress":"h:2","proxyAddress":"h:3","voter":true}`,
			want:  outcome{0, "n4 is a member of the cluster\n", ""}},
		{args: "join n4 --nonvoter --cluster-address h:1 --admin-address h:2 --proxy-address h:3 --json", answer: clusterAnswer,
			asked: `POST /v1/cluster/join {"id":"n4","clusterAddress":"h:1","adminAddress":"h:2","proxyAddress":"h:3","voter":false}`,
			want:  outcome{0, clusterAnswer + "\n", ""}},
		{args: "leave n4", answer: clusterAnswer, asked: `POST /v1/cluster/leave {"id":"n4"}`, want: outcome{0, "n4 has left the cluster\n", ""}},
		{args: "transfer", answer: clusterAnswer, asked: `POST /v1/cluster/transfer {}`, want: outcome{0, "the leader is n1\n", ""}},
		{args: "transfer n1", answer: `{"leader":""}`, asked: `POST /v1/cluster/transfer {"id":"n1"}`,
			want: outcome{0, "leadership was handed over; the new leader is not known yet\n", ""}},
		{args: "domains --token s3cret", answer: `[]`, env: "TOLLGATE_TOKEN=other", asked: "GET /v1/domains with Bearer s3cret",
			want: outcome{0, "There are no domains yet; `tollgate import FILE` makes one.\n", ""}},
		{args: "domains --json", answer: `[]`, env: "TOLLGATE_TOKEN_FILE=" + secret, asked: "GET /v1/domains with Bearer s3cret", want: outcome{0, "[]\n", ""}},
		{args: "domains --json --token-file " + secret, env: "TOLLGATE_TOKEN=other", answer: `[]`, asked: "GET /v1/domains with Bearer s3cret", want: outcome{0, "[]\n", ""}},
		{args: "domains", status: 401, answer: `{"header":{"resultCode":40100,"resultMessage":"40100 this needs the cluster's token","isSuccessful":false}}`, asked: "GET /v1/domains",
			want: outcome{1, "", "tollgate domains: this needs the cluster's token (40100); --token-file or TOLLGATE_TOKEN gives it\n"}},
		{args: "domains", answer: `{"key":1}`, asked: "GET /v1/domains",
			want: outcome{1, "", "tollgate domains: the node's answer is not what this version of tollgate expects: json: cannot unmarshal object into Go value of type []catalog.Summary\n"}},
	} {
		rec := &recorder{status: max(c.status, 200), answer: c.answer}
		if c.status == 0 {
			rec.status = 200
		}
		server := httptest.NewServer(rec)
		got := command{args: words(c.args), stdin: c.stdin, env: []string{"TOLLGATE_ADMIN_URL=" + server.URL + "/", c.env}}.run(t.Context())
		server.Close()
		if got != c.want {
			t.Errorf("tollgate %s\n got %+v\nwant %+v", c.args, got, c.want)
		}
		if rec.asked != c.asked {
			t.Errorf("tollgate %s asked\n got %s\nwant %s", c.args, rec.asked, c.asked)
		}
	}
}
