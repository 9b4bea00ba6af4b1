package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/node/nodetest"
)

const secretKey = "a sécret key"

// signing is a domain that answers 200 to whoever signs, or shows a token.
func signing(key, plugin string) string {
	return `{"swagger":"2.0","info":{"title":"sign","version":"1"},"basePath":"/` + key + `","schemes":["http"],
"paths":{"/**":{"get":{"x-toastcloud-apigw":{"plugins":{"MOCK":{"statusCode":200}}}}}},
"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:1"},` + plugin + `}}}`
}

// awkward are paths and queries that libraries are tempted to change.
var awkward = []string{
	"/items?page=2",
	"/caf%C3%A9/%ed%95%9c%20a%2Bb+c;x=1!(*)'~%7E,@:$&?q=a%20b&r=%2F&s=a+b&t=%7e~&u=%5B1%5D&v='&w=",
}

// program is how the programs of a language are run, each from a file of its own.
type program struct {
	file string
	// needs are programs of which the first that is there runs or builds it.
	needs []string
	// lines are the commands of each of them; $file is the program's.
	lines []string
}

var programs = map[string]program{
	"bash":            {"sign.sh", []string{"openssl"}, []string{`bash $file "$1"`}},
	"python":          {"sign.py", []string{"python3"}, []string{`python3 $file "$1"`}},
	"python requests": {"sign.py", []string{"python3"}, []string{`python3 $file "$1"`}},
	"python jwt":      {"token.py", []string{"python3"}, []string{`python3 $file "$1"`}},
	"javascript":      {"sign.js", []string{"node"}, []string{`node $file "$1"`}},
	"java":            {"Sign.java", []string{"java"}, []string{`java $file "$1"`}},
	"go":              {"sign.go", []string{"go"}, []string{`go run $file "$1"`}},
	"csharp": {"Sign.cs", []string{"dotnet", "mcs"}, []string{
		`mkdir -p app && cp $file app/ && cd app && { [ -e app.csproj ] || dotnet new console && rm -f Program.cs; } >/dev/null &&
			dotnet build -o out >/dev/null && dotnet out/app.dll "$1"`,
		`mcs -nologo -r:System.Net.Http.dll -out:sign.exe $file && mono sign.exe "$1"`}},
}

// TestSign: each program of docs/integrate.md signs so that a node lets it in,
// whatever its library does with the URL, and is kept out with another key.
func TestSign(t *testing.T) {
	c := nodetest.Start(t, 1)
	c.Deploy(signing("hmac", `"HMAC":{"secretKey":"`+secretKey+`","clockSkew":300}`))
	c.Deploy(signing("jwt", `"JWT":{"secretKey":"`+secretKey+`","issuer":"me"}`))
	gateway := "http://" + c.Nodes[0].ProxyAddr()
	found := map[string]bool{}
	for _, b := range blocks(t, "docs/integrate.md") {
		name := strings.TrimSpace(b.language + " " + b.note)
		p, ok := programs[name]
		if !ok {
			continue
		}
		found[name] = true
		t.Run(b.heading, func(t *testing.T) {
			line := p.line(t, name)
			domain := gateway + "/hmac"
			if b.note == "jwt" {
				domain = gateway + "/jwt"
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, p.file), []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, target := range awkward {
				if got := call(t, dir, line, secretKey, domain+target); got != "200" {
					t.Errorf("%s: %s", target, got)
				}
			}
			if got := call(t, dir, line, "another", domain+awkward[0]); got != "401" {
				t.Errorf("with another key: %s", got)
			}
		})
	}
	for name := range programs {
		if !found[name] {
			t.Errorf("docs/integrate.md has no program in %s", name)
		}
	}
}

// line is the command that runs a program. A test without the language's runtime says so.
func (p program) line(t *testing.T, name string) string {
	t.Helper()
	if name == "python requests" && exec.Command("python3", "-c", "import requests").Run() != nil {
		t.Skip("not run: python3 with the package requests is not installed")
	}
	for i, need := range p.needs {
		if _, err := exec.LookPath(need); err == nil {
			return strings.ReplaceAll(p.lines[i], "$file", p.file)
		}
	}
	t.Skipf("not run: %s is not installed", strings.Join(p.needs, " or "))
	return ""
}

// call runs a program and returns what it printed.
func call(t *testing.T, dir, line, key, url string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", line, "bash", url)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SECRET_KEY="+key)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	return strings.TrimSpace(string(out))
}
