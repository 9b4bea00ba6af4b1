package cli

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// Line ends b with exactly one newline.
func Line(b []byte) []byte { return append(bytes.TrimRight(b, "\n"), '\n') }

// Table writes rows under a header, in columns as wide as a terminal shows
// them: a Hangul syllable or a Chinese character takes two places.
func Table(out io.Writer, header string, rows [][]string) error {
	lines := [][]string{strings.Split(header, "|")}
	for _, row := range rows {
		line := make([]string, len(row))
		for i := range row {
			line[i] = Cell(row[i])
		}
		lines = append(lines, line)
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, text := range line {
			widths[i] = max(widths[i], displayed.StringWidth(text))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		for i, text := range line {
			b.WriteString(text)
			if i < len(line)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-displayed.StringWidth(text)+2))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// displayed tells how wide text is. It does not look at the locale, so that a
// table is the same everywhere.
var displayed = &runewidth.Condition{StrictEmojiNeutral: true}

// Cell is text from elsewhere, fit for a line of a terminal: what is not
// printable, such as a tab or an escape sequence, is spelled out.
func Cell(s string) string {
	if s == "" {
		return "-"
	}
	var b strings.Builder
	for _, c := range s {
		if unicode.IsPrint(c) {
			b.WriteRune(c)
			continue
		}
		quoted := strconv.QuoteRune(c)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// YesNo is how tables say it.
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Plural counts things.
func Plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// ShellQuote makes one word of s for a POSIX shell.
func ShellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
