package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretKeyFiles(t *testing.T) {
	longest := strings.Repeat("k", 4096)
	for content, want := range map[string]string{
		"k": "k", "k\n": "k", "k\r\n": "k", " k \n": " k ", "k\n\n": "k\n", "k\r": "k\r", "a\nb": "a\nb",
		longest + "\r\n": longest,
	} {
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readSecretKey("--secret-key-file", file)
		if got != want || err != nil {
			t.Errorf("%.20q: %.20q %v", content, got, err)
		}
	}
}
