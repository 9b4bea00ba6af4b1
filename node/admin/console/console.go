// Package console is the web page of a node: static files, which know nothing and may do
// nothing by themselves. Everything that they show is the answer to a call of the public
// admin API, with the token of who looks.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// Path is where the console is.
const Path = "/console/"

//go:embed static
var static embed.FS

// policy lets the page have its own files and call its own node, and nothing else (W3C
// Content Security Policy Level 3).
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// file is one of the files, as it is served.
type file struct {
	body      []byte
	mediaType string
	tag       string
}

// files are all of them, by path below Path.
var files = func() map[string]file {
	all := map[string]file{}
	err := fs.WalkDir(static, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := static.ReadFile(name)
		sum := sha256.Sum256(body)
		all[strings.TrimPrefix(name, "static/")] = file{body, mime.TypeByExtension(path.Ext(name)), `"` + hex.EncodeToString(sum[:8]) + `"`}
		return err
	})
	if err != nil { // never: they are in the binary
		panic(err)
	}
	return all
}()

// Handler serves the console below Path. A path that it does not have is for missing.
func Handler(missing http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, below := strings.CutPrefix(r.URL.Path, Path)
		if !below { // Path without its last slash
			http.Redirect(w, r, Path, http.StatusPermanentRedirect)
			return
		}
		if name == "" {
			name = "index.html"
		}
		f, ok := files[name]
		if !ok {
			missing(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.mediaType)
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache") // asked for each time, and sent once
		h.Set("ETag", f.tag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.body))
	}
}
