package process

import (
	"io"
	"os"
	"strings"
)

// lastLines and lastBytes bound what is shown of a log.
const (
	lastLines = 15
	lastBytes = 8 << 10
)

// Tail is the last lines of a log, set in.
func Tail(path string) string {
	text, err := readLast(path, lastBytes)
	if err != nil {
		return "  (its log cannot be read: " + err.Error() + ")"
	}
	if strings.TrimSpace(text) == "" {
		return "  (it wrote nothing)"
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	lines = lines[max(0, len(lines)-lastLines):]
	return "  " + strings.Join(lines, "\n  ")
}

func readLast(path string, most int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	raw, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-most), most))
	return string(raw), err
}
