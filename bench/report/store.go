package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// File is the name of a Run in its folder.
const File = "report.json"

// Save writes the run to the file File of the folder dir, which is made if it
// is missing. The file is the whole run or, after an error, what it was before.
func (r *Run) Save(dir string) (err error) {
	stored := *r
	stored.Format = Format
	text, err := json.MarshalIndent(&stored, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the run: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".report-*.json")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the error says what matters
		}
	}()
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Chmod(0o644) // results are to be looked at by others
	}
	if err == nil {
		err = f.Sync() // or a crash could leave the new name with no content
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, File))
}

// Load reads the run at path, a file or a folder with File in it. A run of
// another format is an error that says which it is. Members that this version
// does not know are passed over.
func Load(path string) (*Run, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		path = filepath.Join(path, File)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	// Of a run in another format nothing but its number is known to decode.
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("%s is no report of a benchmark: %w", path, err)
	}
	switch {
	case head.Format == 0:
		return nil, fmt.Errorf("%s is no report of a benchmark: it has no format", path)
	case head.Format > Format:
		return nil, fmt.Errorf("%s has format %d, which is newer than format %d that this version of tollgate reads", path, head.Format, Format)
	case head.Format < Format:
		return nil, fmt.Errorf("%s has format %d, which is older than format %d that this version of tollgate reads", path, head.Format, Format)
	}
	r := new(Run)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return r, nil
}

// FolderName names the folder of a run by the time it began, in UTC, and the
// commit, such as 2026-11-22T17-45-24Z-cc558a7a8723: it sorts by time, and no
// file system minds it. Of the revision 12 digits are kept, "+dirty" becomes
// "-dirty".
func FolderName(began time.Time, commit string) string {
	revision, dirty := strings.CutSuffix(shortCommit(commit), dirtySuffix)
	name := began.UTC().Format("2006-01-02T15-04-05Z") + "-" + strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-':
			return c
		}
		return '_'
	}, revision)
	if dirty {
		name += "-dirty"
	}
	return name
}
