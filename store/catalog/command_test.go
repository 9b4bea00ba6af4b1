package catalog

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/store/quota"
	"github.com/tollgate/tollgate/store/wire"
	"pgregory.net/rapid"
)

// Few keys, so that commands meet.
var genKey = rapid.SampledFrom([]string{"a", "b", "A", "key.~-_", strings.Repeat("k", MaxKeyBytes)})

func genDraft(t *rapid.T) Draft {
	d := Draft{
		Key:       genKey.Draw(t, "key"),
		Name:      rapid.StringN(0, MaxNameRunes, maxNameBytes).Draw(t, "name"),
		Endpoints: rapid.IntRange(0, MaxEndpoints).Draw(t, "endpoints"),
		Document:  rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "document"),
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "conditions") {
		d.Conditions = append(d.Conditions, quota.Condition{
			Endpoint:     rapid.StringN(0, 20, -1).Draw(t, "endpoint"),
			Max:          rapid.Uint64Range(1, MaxQuota).Draw(t, "max"),
			ResetSeconds: rapid.Uint32Range(1, MaxResetSeconds/3-1).Draw(t, "seconds")*3 + uint32(i),
		})
		if rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
			genCaller(t, &d.Conditions[i])
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "single use") == 0 {
		d.SingleUse = rapid.Uint32Range(1, maxClockSkew).Draw(t, "skew")
	}
	return d
}

// genCaller makes it a condition that older rules do not know.
func genCaller(t *rapid.T, c *quota.Condition) {
	c.By = rapid.SampledFrom([]quota.By{quota.ByIP, quota.ByConsumer, quota.ByHeader("x-tenant")}).Draw(t, "by")
	c.MaxCallers = rapid.Uint32Range(1, quota.MaxMaxCallers).Draw(t, "callers")
	c.Shadow, c.AfterAuth = rapid.Bool().Draw(t, "shadow"), rapid.Bool().Draw(t, "after")
	if rapid.Bool().Draw(t, "calendar") {
		c.ResetSeconds, c.Period = 0, quota.Period{Unit: quota.Day, Zone: c.Endpoint + "z"}
	}
	for _, name := range []string{"a", "b"} {
		if rapid.Bool().Draw(t, "plan") {
			c.Plans = append(c.Plans, quota.Plan{Name: name, Max: rapid.Uint64Range(1, MaxQuota).Draw(t, "max")})
		}
	}
	if rapid.Bool().Draw(t, "alerts") {
		c.Alerts = []uint8{50, 100}
	}
}

func genPrecondition(t *rapid.T) Precondition {
	switch rapid.IntRange(0, 5).Draw(t, "precondition") {
	case 0:
		return Precondition{Absent: true}
	case 1:
		return Precondition{Present: true}
	case 2:
		p := Precondition{Serials: rapid.SliceOfNDistinct(rapid.Uint64Range(1, 12), 1, 4, rapid.ID).Draw(t, "serials")}
		slices.Sort(p.Serials)
		return p
	}
	return Precondition{}
}

func genCommand(t *rapid.T) Command {
	c := genUnconditional(t)
	c.If = genPrecondition(t)
	return c
}

func genUnconditional(t *rapid.T) Command {
	switch Op(rapid.IntRange(1, 3).Draw(t, "op")) {
	case OpDeploy:
		return Deploy(genKey.Draw(t, "key"))
	case OpDelete:
		return Delete(genKey.Draw(t, "key"))
	}
	return Put(genDraft(t), rapid.Bool().Draw(t, "deploy"))
}

func TestCommandRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genCommand(t)
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		b := c.Append([]byte("prefix"))[len("prefix"):]
		got, err := DecodeCommand(b)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("%+v became %+v, %v", c, got, err)
		}
		for i := range b {
			if _, err := DecodeCommand(b[:i]); err == nil {
				t.Fatalf("the first %d of %d bytes were accepted", i, len(b))
			}
		}
		if _, err := DecodeCommand(append(b, 0)); err == nil {
			t.Fatal("a trailing byte was accepted")
		}
		clear(b) // a decoded command keeps no part of the buffer
		if !reflect.DeepEqual(got, c) {
			t.Fatal("the command changed with its buffer")
		}
	})
}

// TestCommandBytes pins the encoding: it is in the logs of running clusters.
func TestCommandBytes(t *testing.T) {
	conditions := []quota.Condition{{Max: 1, ResetSeconds: 300}, {Endpoint: "GET /", Max: 2, ResetSeconds: 3}}
	for want, c := range map[string]Command{
		"01 01 0161 026e6e 03 027b7d 02 00 01 ac02 05474554202f 02 03": Put(Draft{Key: "a", Name: "nn", Endpoints: 3, Document: []byte("{}"), Conditions: conditions}, true),
		"01 00 0161 00 00 0178 00":                                     Put(Draft{Key: "a", Document: []byte("x")}, false),
		"01 00 0161 00 00 00 8020 0178 00":                             Put(Draft{Key: "a", Document: []byte("x"), Size: 4096}, false),
		"01 00 0161 00 00 0178 808040 3c":                              Put(Draft{Key: "a", Document: []byte("x"), SingleUse: 60}, false),
		"01 00 0161 00 00 0178 01 00 00 05 00 05 0355544308636c61696d3a696403010370726f09046b696e64e80701 50": Put(Draft{Key: "a", Document: []byte("x"), Conditions: []quota.Condition{{
			Max: 5, Period: quota.Period{Unit: quota.Month, Zone: "UTC"}, By: "claim:id", Shadow: true, AfterAuth: true,
			Plans: []quota.Plan{{Name: "pro", Max: 9}}, PlanClaim: "kind", MaxCallers: 1000, Alerts: []uint8{80},
		}}}, false),
		"02 0161":                        Deploy("a"),
		"03 0161":                        Delete("a"),
		"04 00 01 00 0161 00 00 0178 00": {Op: OpPut, Draft: Draft{Key: "a", Document: []byte("x")}, If: Precondition{Absent: true}},
		"04 01 02 0161":                  {Op: OpDeploy, Key: "a", If: Precondition{Present: true}},
		"04 02 02 01 ac02 03 0161":       {Op: OpDelete, Key: "a", If: Precondition{Serials: []uint64{1, 300}}},
	} {
		want = strings.ReplaceAll(want, " ", "")
		if got := hex.EncodeToString(c.Append(nil)); got != want {
			t.Errorf("%+v is %s, want %s", c, got, want)
		}
	}
}

func TestDecodeCommandRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                  "",
		"unknown operation":        "00 0161",
		"operation 5":              "05 0161",
		"precondition 3":           "04 03 02 0161",
		"no serial":                "04 02 00 02 0161",
		"serial 0":                 "04 02 01 00 02 0161",
		"serials that do not rise": "04 02 02 02 02 02 0161",
		"too many serials":         "04 02 41 " + strings.Repeat("01", 65) + " 02 0161",
		"two preconditions":        "04 00 04 01 02 0161",
		"empty key":                "02 00",
		"key too long":             "02 41" + strings.Repeat("61", 65),
		"unknown flag":             "01 04 0161 00 00 0178 00",
		"length not shortest":      "02 8100 61",
		"number not shortest":      "01 00 0161 00 8000 0178 00",
		"number over 64 bits":      "01 00 0161 00 ffffffffffffffffffff01 0178 00",
		"too many endpoints":       "01 00 0161 00 a19c01 0178 00",
		"empty document":           "01 00 0161 00 00 00 00",
		"document over its cap":    "01 00 0161 00 00 81808004 78 00",
		"nothing compressed":       "01 00 0161 00 00 00 8020 00 00",
		"compressed size over cap": "01 00 0161 00 00 00 81808004 0178 00",
		"name over its cap":        "01 00 0161 8108 00 0178 00",
		"huge number of condition": "01 00 0161 00 00 0178 c0b802",
		"over cap of conditions":   "01 00 0161 00 00 0178 c1b802",
		"maximum 0":                "01 00 0161 00 00 0178 01 00 00 01",
		"maximum over 10^12":       "01 00 0161 00 00 0178 01 00 8180f0e6f71c01 01",
		"reset 0":                  "01 00 0161 00 00 0178 01 00 01 00",
		"reset over a year":        "01 00 0161 00 00 0178 01 00 01 81e7840f",
		"two of one counter":       "01 00 0161 00 00 0178 02 00 01 01 00 02 01",
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			t.Fatal(name, err)
		}
		if c, err := DecodeCommand(b); err == nil {
			t.Errorf("%s: accepted as %+v", name, c)
		}
	}
}

// TestCommandCaps has every bound at its largest, and one beyond: Check and
// DecodeCommand must agree on each.
func TestCommandCaps(t *testing.T) {
	base := func() Command {
		c := Put(Draft{
			Key: strings.Repeat("k", MaxKeyBytes), Name: strings.Repeat("𐍈", MaxNameRunes), Endpoints: MaxEndpoints,
			Document:   bytes.Repeat([]byte{'x'}, MaxDocumentBytes),
			Conditions: []quota.Condition{{Endpoint: strings.Repeat("e", maxEndpointBytes), Max: MaxQuota, ResetSeconds: MaxResetSeconds}},
		}, true)
		for i := range MaxConditions - 1 {
			c.Draft.Conditions = append(c.Draft.Conditions, quota.Condition{Endpoint: fmt.Sprint(i), Max: 1, ResetSeconds: 1})
		}
		return c
	}
	for name, change := range map[string]func(*Command){
		"":          func(c *Command) {},
		"key":       func(c *Command) { c.Draft.Key += "k" },
		"no key":    func(c *Command) { c.Draft.Key = "" },
		"name":      func(c *Command) { c.Draft.Name += "n" },
		"endpoints": func(c *Command) { c.Draft.Endpoints++ },
		"document":  func(c *Command) { c.Draft.Document = append(c.Draft.Document, 'x') },
		"empty":     func(c *Command) { c.Draft.Document = nil },
		"conditions": func(c *Command) {
			c.Draft.Conditions = append(c.Draft.Conditions, quota.Condition{Max: 1, ResetSeconds: 1})
		},
		"endpoint":  func(c *Command) { c.Draft.Conditions[0].Endpoint += "e" },
		"max":       func(c *Command) { c.Draft.Conditions[0].Max++ },
		"no max":    func(c *Command) { c.Draft.Conditions[0].Max = 0 },
		"reset":     func(c *Command) { c.Draft.Conditions[0].ResetSeconds++ },
		"no reset":  func(c *Command) { c.Draft.Conditions[0].ResetSeconds = 0 },
		"twice":     func(c *Command) { c.Draft.Conditions[1] = c.Draft.Conditions[2] },
		"operation": func(c *Command) { c.Op = 9 },
	} {
		c := base()
		change(&c)
		_, err := DecodeCommand(c.Append(nil))
		if check := c.Check(); (check == nil) != (name == "") || (err == nil) != (name == "") {
			t.Errorf("%q: Check %v, DecodeCommand %v", name, check, err)
		}
	}
	for _, c := range []Command{
		{Op: OpPut, Key: "a", Draft: Draft{Key: "a", Document: []byte("x")}},
		{Op: OpDeploy, Key: "a", Deploy: true},
		{Op: OpDelete, Key: "a", MustBeNew: true},
		{Op: OpDelete, Key: "a", Draft: Draft{Name: "n"}},
		{Op: OpDeploy},
		{Op: OpDelete, Key: strings.Repeat("k", MaxKeyBytes+1)},
		{},
	} {
		if c.Check() == nil {
			t.Errorf("%+v passes", c)
		}
	}
}

// FuzzDecodeCommand: whatever is accepted has exactly this encoding.
func FuzzDecodeCommand(f *testing.F) {
	for _, c := range []Command{Deploy("a"), Delete("b"), Put(Draft{Key: "a", Name: "n", Endpoints: 1, Document: []byte("{}"), Conditions: []quota.Condition{{Endpoint: "GET /", Max: 1, ResetSeconds: 2}, {Max: 3, ResetSeconds: 9, By: "ip", MaxCallers: 7, Alerts: []uint8{1, 100}}}}, true)} {
		f.Add(c.Append(nil))
	}
	f.Add(wire.AppendUints([]byte{2}, 1<<63))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeCommand(b)
		if err != nil {
			return
		}
		if err := c.Check(); err != nil {
			t.Fatalf("accepted, but does not pass Check: %v", err)
		}
		if again := c.Append(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x was accepted for %x", b, again)
		}
	})
}
