package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestOlderLogs: what commit 2b1396f has in its logs and snapshots is read, and
// comes to the state that commit made of it, to the byte. The file was written
// by that commit; it is never written anew.
func TestOlderLogs(t *testing.T) {
	file, err := os.Open("testdata/2b1396f.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f := newMachine(func(string, uint64) {}, nil)
	var entries, states int
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		what, rest, _ := strings.Cut(lines.Text(), " ")
		switch what {
		case "entry":
			var index, term uint64
			var text string
			if _, err := fmt.Sscan(rest, &index, &term, &text); err != nil {
				t.Fatal(err)
			}
			data, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			cmd, err := DecodeCommand(data)
			if err != nil || !bytes.Equal(cmd.Append(nil), data) {
				t.Fatalf("entry %d is not what is written today: %v", index, err)
			}
			f.Apply(index, term, data)
			entries++
		case "state":
			if got := fmt.Sprintf("%x", sha256.Sum256(persisted(t, f))); got != rest {
				t.Fatalf("after %d entries the state is %s, was %s", entries, got, rest)
			}
			states++
		case "snapshot":
			if got := fmt.Sprintf("%x", persisted(t, f)); got != rest {
				t.Fatalf("the snapshot is\n%s\nwas\n%s", got, rest)
			}
			old, err := hex.DecodeString(rest)
			if err != nil {
				t.Fatal(err)
			}
			if s, err := decodeState(old); err != nil || !bytes.Equal(s.append(nil), old) {
				t.Fatalf("the snapshot is read otherwise: %v", err)
			}
			states++
		}
	}
	if err := lines.Err(); err != nil || entries < 100 || states < 10 {
		t.Errorf("%d entries, %d states, %v", entries, states, err)
	}
}
