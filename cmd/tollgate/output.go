package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/store/catalog"
)

// call sends one request and prints the answer: its JSON as it came, or what
// show makes of it for people.
func (a *app) call(cmd *cobra.Command, f *clientFlags, rq request, show func(answer []byte, out *bytes.Buffer) error) error {
	c, err := a.client(f)
	if err != nil {
		return err
	}
	answer, err := c.do(cmd.Context(), rq)
	var refused *refusedError
	if f.json && errors.As(err, &refused) {
		return errors.Join(err, a.print(line(refused.body)))
	}
	if err != nil {
		return err
	}
	if f.json {
		return a.print(line(answer))
	}
	var out bytes.Buffer
	if err := show(answer, &out); err != nil {
		return err
	}
	return a.print(out.Bytes())
}

// print writes to stdout, where a full disk is a failure like any other.
func (a *app) print(b []byte) error {
	if _, err := a.stdout.Write(b); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// line ends b with exactly one newline.
func line(b []byte) []byte { return append(bytes.TrimRight(b, "\n"), '\n') }

// read decodes an answer of a node.
func read(answer []byte, into any) error {
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("the node's answer is not what this version of tollgate expects: %w", err)
	}
	return nil
}

// warn lists warnings on stderr: stdout is for what was asked.
func (a *app) warn(warnings []catalog.Problem) {
	for _, w := range warnings {
		fmt.Fprintf(a.stderr, "warning: %s: %s\n", cell(w.Path), cell(w.Message))
	}
}

// table writes rows under a header, in columns as wide as a terminal shows
// them: a Hangul syllable or a Chinese character takes two places.
func table(out io.Writer, header string, rows [][]string) error {
	lines := [][]string{strings.Split(header, "|")}
	for _, row := range rows {
		line := make([]string, len(row))
		for i := range row {
			line[i] = cell(row[i])
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

// cell is text from elsewhere, fit for a line of a terminal: what is not
// printable, such as a tab or an escape sequence, is spelled out.
func cell(s string) string {
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

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// plural counts things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}
