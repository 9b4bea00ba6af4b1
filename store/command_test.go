package store

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// Few names, so that commands meet.
var (
	genKey      = rapid.SampledFrom([]string{"a", "b", "key.~-_", strings.Repeat("k", catalog.MaxKeyBytes)})
	genNode     = rapid.SampledFrom([]string{"n1", "n2", strings.Repeat("n", 64)})
	genEndpoint = rapid.SampledFrom([]string{"", "GET /x/**", "PUT /" + strings.Repeat("p", catalog.MaxPatternBytes-1)})
	genCounter  = rapid.OneOf(rapid.Uint64Range(1, 6), rapid.Just(uint64(1<<61)))
	genWindow   = rapid.OneOf(rapid.Just(int64(1_000_000)), rapid.Int64Range(0, 1_010_000))
	genTerm     = rapid.SampledFrom([]uint64{3, 3, 3, 4, math.MaxUint64})
	genAddress  = rapid.SampledFrom([]string{"", "127.0.0.1:9001", strings.Repeat("h", maxAddressBytes)})
)

// leasing has windows shared out in blocks, down to small ones.
var leasing = quota.Params{LeaseMillis: 100, MinLease: 1}

func genDraft(t *rapid.T) catalog.Draft {
	d := catalog.Draft{
		Key:       genKey.Draw(t, "key"),
		Name:      rapid.StringN(0, 20, -1).Draw(t, "name"),
		Endpoints: rapid.IntRange(0, catalog.MaxEndpoints).Draw(t, "endpoints"),
		Document:  rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "document"),
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "conditions") {
		d.Conditions = append(d.Conditions, quota.Condition{
			Endpoint:     genEndpoint.Draw(t, "endpoint"),
			Max:          rapid.SampledFrom([]uint64{1, 5, 50, 500, catalog.MaxQuota}).Draw(t, "max"),
			ResetSeconds: uint32(i + 1), // no two conditions may share a counter
		})
	}
	return d
}

func genCatalog(t *rapid.T) *catalog.Command {
	var c catalog.Command
	switch catalog.Op(rapid.IntRange(1, 3).Draw(t, "op")) {
	case catalog.OpDeploy:
		c = catalog.Deploy(genKey.Draw(t, "key"))
	case catalog.OpDelete:
		c = catalog.Delete(genKey.Draw(t, "key"))
	default:
		c = catalog.Put(genDraft(t), rapid.Bool().Draw(t, "deploy"))
		c.MustBeNew = rapid.Bool().Draw(t, "must be new")
	}
	return &c
}

func genFrame(t *rapid.T, v quota.Version) []byte {
	f := quota.Frame{
		Node:        genNode.Draw(t, "node"),
		Incarnation: rapid.Uint64Range(1, 3).Draw(t, "incarnation"),
		Seq:         rapid.Uint64Range(1, 9).Draw(t, "seq"),
		Version:     v,
	}
	for range rapid.IntRange(0, 2).Draw(t, "returns") {
		f.Returns = append(f.Returns, quota.Return{
			Counter: genID(t, v), Window: genWindow.Draw(t, "window"), N: rapid.Uint64Range(1, 10).Draw(t, "units"),
		})
	}
	units := rapid.OneOf(rapid.Uint64Range(0, 20), rapid.Just(uint64(math.MaxUint64)))
	for range rapid.IntRange(0, 3).Draw(t, "reports") {
		f.Reports = append(f.Reports, quota.Report{
			Counter: genID(t, v), Window: genWindow.Draw(t, "window"),
			Spent: units.Draw(t, "spent"), Back: units.Draw(t, "back"),
			Want: rapid.Uint32Range(0, 100).Draw(t, "want"), Renew: rapid.Bool().Draw(t, "renew"),
		})
	}
	for range rapid.IntRange(0, 3).Draw(t, "takes") {
		ids := rapid.SliceOfNDistinct(genCounter, 1, 4, rapid.ID).Draw(t, "counters")
		slices.Sort(ids)
		take := quota.Take{N: rapid.Uint32Range(1, 30).Draw(t, "n"), Units: 1}
		for _, id := range ids {
			item := quota.Item{ID: genID(t, v)}
			item.ID.Rule = id
			take.Items = append(take.Items, item)
		}
		if v >= quota.Third {
			take.Units, take.Reserve = rapid.Uint32Range(1, 9).Draw(t, "cost"), rapid.Bool().Draw(t, "reserve")
		}
		f.Takes = append(f.Takes, take)
	}
	for range rapid.IntRange(0, 2).Draw(t, "charges") {
		f.Charges = append(f.Charges, quota.Charge{Counter: genID(t, v), N: rapid.Uint64Range(1, 30).Draw(t, "n")})
	}
	return f.Append(nil)
}

// genID draws a counter that a frame of the version may name.
func genID(t *rapid.T, v quota.Version) quota.ID {
	id := quota.ID{Rule: genCounter.Draw(t, "rule")}
	if v >= quota.Third {
		id.Caller[0] = rapid.SampledFrom([]byte{0, 0, 1, 2}).Draw(t, "caller")
	}
	return id
}

// genTarget draws a window that an administrator may mean.
func genTarget(t *rapid.T) quota.Target {
	cond := quota.Condition{Endpoint: genEndpoint.Draw(t, "endpoint"), ResetSeconds: rapid.Uint32Range(1, 3).Draw(t, "reset")}
	target := quota.Target{Domain: genKey.Draw(t, "domain"), Name: cond.Name(), Window: genWindow.Draw(t, "window")}
	if rapid.Bool().Draw(t, "by caller") {
		target.Name.By, target.Caller[0] = quota.ByIP, 1
	}
	return target
}

func genConsumer(t *rapid.T) catalog.ConsumerCommand {
	c := catalog.ConsumerCommand{
		Op:     rapid.SampledFrom([]catalog.ConsumerOp{catalog.PutConsumer, catalog.DeleteConsumer, catalog.AddKey, catalog.DeleteKey}).Draw(t, "op"),
		Domain: genKey.Draw(t, "domain"), ID: rapid.SampledFrom([]string{"kim", "lee"}).Draw(t, "consumer"),
	}
	if c.Op == catalog.PutConsumer {
		c.Name, c.Plan = rapid.StringN(0, 20, -1).Draw(t, "name"), rapid.SampledFrom([]string{"", "pro"}).Draw(t, "plan")
	}
	if c.Op == catalog.AddKey || c.Op == catalog.DeleteKey {
		c.Prefix = rapid.SampledFrom([]string{"tg_1", "tg_2"}).Draw(t, "prefix")
	}
	if c.Op == catalog.AddKey {
		c.Digest[0] = rapid.ByteRange(1, 3).Draw(t, "digest")
	}
	return c
}

// genPiece draws a piece of a put, or one of nothing.
func genPiece(t *rapid.T) Piece {
	whole := catalog.Put(catalog.Draft{Key: "p", Document: []byte("{}")}, true)
	b := whole.Append(nil)
	half := len(b) / 2
	return rapid.SampledFrom([]Piece{
		{}, {Total: uint64(len(b)), Bytes: b}, {Total: uint64(len(b)), Bytes: b[:half]},
		{1, uint64(len(b)), b[half:]}, {2, uint64(len(b)), b[half:]}, {12, uint64(len(b)), b[half:]},
	}).Draw(t, "piece")
}

// kinds are all kinds of command.
var kinds = []Kind{KindInit, KindCatalog, KindFrames, KindMember, KindForget, KindCheckpoint, KindPiece, KindConsumer, KindReset, KindAdjust}

// genCommand draws a command such as a leader proposes.
func genCommand(t *rapid.T) Command {
	c := Command{
		Kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
		Time: rapid.OneOf(rapid.Int64Range(1_000_000, 1_010_000), rapid.SampledFrom([]int64{0, math.MaxInt64 / 4})).Draw(t, "time"),
		Term: genTerm.Draw(t, "term"),
	}
	c.Rules = Rules(rapid.IntRange(int(c.Kind.since()), int(newestRules)).Draw(t, "rules"))
	switch c.Kind {
	case KindInit:
		c.ClusterID = rapid.SampledFrom([]string{"c1", "c2", strings.Repeat("c", maxAddressBytes)}).Draw(t, "cluster")
	case KindCatalog:
		c.Catalog = genCatalog(t)
	case KindFrames:
		c.Leases = quota.Params{
			LeaseMillis:     rapid.SampledFrom([]uint32{quota.MinLeaseMillis, quota.DefaultLeaseMillis, math.MaxUint32}).Draw(t, "lease"),
			LongLeaseMillis: rapid.SampledFrom([]uint32{0, quota.DefaultLongLeaseMillis, math.MaxUint32}).Draw(t, "long lease"),
			MinLease:        rapid.SampledFrom([]uint32{0, 1, 4, quota.MaxMinLease, math.MaxUint32}).Draw(t, "least"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "frames") {
			c.Frames = append(c.Frames, genFrame(t, c.Rules.quotas()))
		}
		if c.Rules >= RulesThird && rapid.Bool().Draw(t, "ends") {
			c.Ends = []quota.CalendarEnd{{Rule: genCounter.Draw(t, "rule"), End: rapid.Int64Range(1, 1_010_000).Draw(t, "end")}}
		}
	case KindMember:
		c.Member = Member{genNode.Draw(t, "id"), genAddress.Draw(t, "admin"), genAddress.Draw(t, "proxy")}
	case KindForget:
		c.Member.ID = genNode.Draw(t, "id")
	case KindPiece:
		c.Piece = genPiece(t)
	case KindConsumer:
		c.Consumer = genConsumer(t)
	case KindReset, KindAdjust:
		c.Target = genTarget(t)
		if c.Kind == KindAdjust {
			c.Add = rapid.SampledFrom([]int64{-1, 1, 20, math.MinInt64, math.MaxInt64}).Draw(t, "add")
		}
	}
	return c
}

func TestCommandRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genCommand(t)
		b := c.Append([]byte("prefix"))[len("prefix"):]
		got, err := DecodeCommand(b)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("%+v became %+v, %v", c, got, err)
		}
		for i := range b {
			if _, err := DecodeCommand(b[:i:i]); err == nil {
				t.Fatalf("the first %d of the %d bytes of %+v were accepted", i, len(b), c)
			}
		}
		if _, err := DecodeCommand(append(b, 0)); err == nil {
			t.Fatalf("a trailing byte was accepted after %+v", c)
		}
	})
}

// TestCommandBytes pins the encoding: it is in the logs of running clusters.
func TestCommandBytes(t *testing.T) {
	deploy := catalog.Deploy("a")
	frame := quota.Frame{
		Node: "n1", Incarnation: 2, Seq: 3,
		Returns: []quota.Return{{Counter: quota.ID{Rule: 7}, Window: 300, N: 5}},
		Reports: []quota.Report{{Counter: quota.ID{Rule: 8}, Window: 300, Spent: 1, Back: 2, Want: 3, Renew: true}},
		Takes:   []quota.Take{{Items: []quota.Item{{ID: quota.ID{Rule: 7}}, {ID: quota.ID{Rule: 9}}}, N: 4, Units: 1}},
		Charges: []quota.Charge{{Counter: quota.ID{Rule: 8}, N: 6}},
	}
	for want, c := range map[string]Command{
		"01 01 ac02 09 026331":        {Kind: KindInit, Time: 300, Term: 9, ClusterID: "c1"},
		"01 02 00 00 02 0161":         {Kind: KindCatalog, Catalog: &deploy},
		"01 03 01 00 d00f 8827 10 00": {Kind: KindFrames, Time: 1, Leases: quota.Params{LeaseMillis: 2000, LongLeaseMillis: 5000, MinLease: 16}},
		"01 04 01 00 026e31 0161 00":  {Kind: KindMember, Time: 1, Member: Member{"n1", "a", ""}},
		"02 07 02 00 09 07 03 026162": {Kind: KindPiece, Rules: RulesSecond, Term: 9, Piece: Piece{7, 3, []byte("ab")}},
		"01 05 01 8001 026e31":        {Kind: KindForget, Time: 1, Term: 128, Member: Member{ID: "n1"}},
		"01 03 01 09 0a 14 01 01 1a 026e31 02 03" +
			"01 07 ac02 05" +
			"01 08 ac02 01 02 03 01" +
			"01 02 07 02 04" +
			"01 08 06": {Kind: KindFrames, Time: 1, Term: 9, Leases: quota.Params{LeaseMillis: 10, LongLeaseMillis: 20, MinLease: 1}, Frames: [][]byte{frame.Append(nil)}},
	} {
		want = strings.ReplaceAll(want, " ", "")
		if got := hex.EncodeToString(c.Append(nil)); got != want {
			t.Errorf("%+v is %s, want %s", c, got, want)
		}
	}
}

// TestOverlongNumbers: by the first rules, numbers in more bytes than they must have
// are read for ever; later rules have one encoding.
func TestOverlongNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		good  bool
	}{
		"time, first rules":  {[]byte{1, 5, 0x80, 0, 0, 1, 'a'}, true},
		"time, later rules":  {[]byte{2, 5, 2, 0x80, 0, 0, 1, 'a'}, false},
		"frame, first rules": {append([]byte{1, 3, 0, 0, 10, 20, 1, 1, 10}, 2, 'n', '1', 0x80, 0, 1, 0, 0, 0, 0), true},
		"frame, later rules": {append([]byte{2, 3, 2, 0, 0, 10, 20, 1, 1, 10}, 2, 'n', '1', 0x80, 0, 1, 0, 0, 0, 0), false},
	} {
		if _, err := DecodeCommand(c.bytes); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDecodeCommandRefuses has every way in which bytes can be no command; the
// message must say which.
func TestDecodeCommandRefuses(t *testing.T) {
	frame := (&quota.Frame{Node: "n1", Incarnation: 1, Seq: 1}).Append(nil)
	frames := func(count uint64, list ...[]byte) []byte {
		b := protowire.AppendVarint([]byte{commandFirst, byte(KindFrames), 0, 0, 10, 20, 1}, count)
		for _, f := range list {
			b = protowire.AppendBytes(b, f)
		}
		return b
	}
	withLeases := func(params ...uint64) []byte {
		b := []byte{commandFirst, byte(KindFrames), 0, 0}
		for _, p := range append(params, 0) {
			b = protowire.AppendVarint(b, p)
		}
		return b
	}
	long := strings.Repeat("x", maxAddressBytes+1)
	member := func(m Member) []byte { return (&Command{Kind: KindMember, Member: m}).Append(nil) }
	for name, c := range map[string]struct {
		bytes []byte
		says  string
	}{
		"nothing":               {nil, "truncated"},
		"a version alone":       {[]byte{1}, "truncated"},
		"version 0":             {[]byte{0, 5, 0, 0, 1, 'a'}, "version 0: this node knows versions 1 and 2"},
		"version 3":             {[]byte{3, 5, 0, 0, 1, 'a'}, "version 3: this node knows versions 1 and 2"},
		"rules 1, said twice":   {[]byte{2, 5, 1, 0, 0, 1, 'a'}, "rules is 1, must be 2"},
		"rules to come":         {[]byte{2, 5, 4, 0, 0, 1, 'a'}, "has rules 4, this release knows rules 1 to 3"},
		"kind 0":                {[]byte{1, 0, 0, 0}, "kind 0: byte 2: unknown kind"},
		"kind 14":               {[]byte{1, 14, 0, 0}, "kind 14: byte 2: unknown kind"},
		"a checkpoint too soon": {[]byte{1, 6, 0, 0}, "kind 6: byte 2: there is none by rules 1"},
		"kind 255":              {[]byte{1, 255, 0, 0}, "kind 255: byte 2: unknown kind"},
		"no time":               {[]byte{1, 5}, "time"},
		"time cut off":          {[]byte{1, 5, 0x80}, "time"},
		"time of 11 bytes":      {append([]byte{1, 5}, bytes.Repeat([]byte{0x80}, 11)...), "time"},
		"time before 1970":      {(&Command{Kind: KindForget, Time: -1, Member: Member{ID: "a"}}).Append(nil), "time"},
		"time over 63 bits":     {protowire.AppendVarint([]byte{1, 5}, 1<<63), "time"},
		"no term":               {[]byte{1, 5, 0}, "term"},
		"term cut off":          {[]byte{1, 5, 0, 0x80}, "term"},
		"over the cap":          {append((&Command{Kind: KindForget, Member: Member{ID: "a"}}).Append(nil), make([]byte, MaxCommandBytes)...), fmt.Sprintf("must be at most %d", MaxCommandBytes)},
		"fewer frames":          {frames(2, frame), "truncated frame"},
		"more frames":           {frames(1, frame, frame), fmt.Sprintf("%d bytes too many", len(frame)+1)},
		"absurdly many frames":  {frames(math.MaxUint64, frame), "truncated frame"},
		"no count of frames":    {frames(0)[:7], "truncated number of frames"},
		"no least lease":        {frames(0)[:6], "truncated smallest lease"},
		"no long lease":         {frames(0)[:5], "truncated long lease"},
		"no lease":              {frames(0)[:4], "truncated lease"},
		"lease over 32 bits":    {withLeases(1<<32, 1, 1), "lease is 4294967296"},
		"long over 32 bits":     {withLeases(10, 1<<32, 1), "long lease is 4294967296"},
		"least over 32 bits":    {withLeases(10, 1, 1<<32), "smallest lease is 4294967296"},
		"frame is no frame":     {frames(1, []byte{9, 9}), "quota frame"},
		"frame with a tail":     {frames(1, append(bytes.Clone(frame), 0)), "too many"},
		"frame counts twice":    {frames(1, (&quota.Frame{Node: "n1", Seq: 1, Takes: []quota.Take{take(1, 5, 5)}}).Append(nil)), "distance of counters is 0"},
		"frame of nobody":       {frames(1, (&quota.Frame{Seq: 1}).Append(nil)), "quota frame of version 3"},
		"frame over its cap":    {frames(1, make([]byte, quota.MaxFrameBytes+1)), fmt.Sprintf("must be at most %d", quota.MaxFrameBytes)},
		"member id too long":    {member(Member{ID: long}), "ID length is 256, must be 0 to 255"},
		"admin too long":        {member(Member{"n1", long, ""}), "admin address length is 256, must be 0 to 255"},
		"proxy too long":        {member(Member{"n1", "", long}), "proxy address length is 256, must be 0 to 255"},
		"forget too long":       {(&Command{Kind: KindForget, Member: Member{ID: long}}).Append(nil), "ID length is 256, must be 0 to 255"},
		"cluster ID too long":   {(&Command{Kind: KindInit, ClusterID: long}).Append(nil), "cluster ID length is 256, must be 0 to 255"},
		"member cut off":        {member(Member{"n1", "a", "b"})[:8], "truncated"},
		"member with a tail":    {append(member(Member{"n1", "a", "b"}), 1, 2), "2 bytes too many"},
		"no catalogue command":  {[]byte{1, 2, 0, 0, 99}, "unknown operation 99"},
		"piece without total":   {[]byte{2, 7, 2, 0, 0, 3}, "truncated total"},
		"piece without bytes":   {[]byte{2, 7, 2, 0, 0, 3, 5}, "truncated piece"},
		"piece with a tail":     {[]byte{2, 7, 2, 0, 0, 3, 5, 1, 'a', 'b'}, "1 bytes too many"},
		"piece over its total":  {[]byte{2, 7, 2, 0, 0, 3, 1, 2, 'a', 'b'}, "piece length is 2, must be 0 to 1"},
		"piece of too much":     {(&Command{Kind: KindPiece, Rules: RulesSecond, Piece: Piece{3, MaxCommandBytes + 1, []byte("a")}}).Append(nil), "total is 25165825"},
		"empty piece":           {[]byte{2, 7, 2, 0, 0, 3, 1, 0}, "an empty piece"},
		"a piece too soon":      {[]byte{1, 7, 0, 0, 3, 5, 1, 'a'}, "kind 7: byte 2: there is none by rules 1"},
	} {
		got, err := DecodeCommand(c.bytes)
		if err == nil {
			t.Errorf("%s: accepted as %+v", name, got)
		} else if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q does not say %q", name, err, c.says)
		}
	}
}

// TestCommandAtTheCap: what is exactly as large as allowed is read, and not a
// byte more.
func TestCommandAtTheCap(t *testing.T) {
	// frame has so many bytes: charges of ten each, and a name that fills up.
	frame := func(size int) []byte {
		f := quota.Frame{Node: "n", Incarnation: 1, Seq: 1}
		for range (size-len(f.Append(nil)))/10 - 1 {
			f.Charges = append(f.Charges, quota.Charge{Counter: of(1 << 56), N: 1})
		}
		f.Node = strings.Repeat("n", 1+size-len(f.Append(nil)))
		return f.Append(nil)
	}
	c := Command{Kind: KindFrames, Time: 1}
	full := frame(4000)
	for range MaxCommandBytes/(len(full)+2) - 1 {
		c.Frames = append(c.Frames, full)
	}
	// What is left is between one and two of them.
	c.Frames = append(c.Frames, frame(2000), frame(1000))
	c.Frames[len(c.Frames)-1] = frame(1000 + MaxCommandBytes - len(c.Append(nil)))
	b := c.Append(nil)
	if len(b) != MaxCommandBytes {
		t.Fatalf("made a command of %d bytes, want %d", len(b), MaxCommandBytes)
	}
	if got, err := DecodeCommand(b); err != nil || len(got.Frames) != len(c.Frames) {
		t.Errorf("at the cap: %v", err)
	}
	c.Frames[0] = frame(len(full) + 1)
	if _, err := DecodeCommand(c.Append(nil)); err == nil || !strings.Contains(err.Error(), "of 25165825 bytes: must be at most 25165824") {
		t.Errorf("a byte over the cap: %v", err)
	}
}

// FuzzDecodeCommand: what is accepted means the same once more when it is
// encoded, and applying it leaves a state that a restart can read.
func FuzzDecodeCommand(f *testing.F) {
	put := catalog.Put(catalog.Draft{Key: "a", Name: "n", Endpoints: 1, Document: []byte("{}"), Conditions: []quota.Condition{{Endpoint: "GET /", Max: 100, ResetSeconds: 2}}}, true)
	frame := (&quota.Frame{Node: "n1", Incarnation: 1, Seq: 1, Reports: []quota.Report{{Counter: of(1), Want: 5, Renew: true}}, Takes: []quota.Take{take(3, 1)}, Charges: []quota.Charge{{Counter: of(1), N: 1}}}).Append(nil)
	for _, c := range []Command{
		{Kind: KindInit, Time: 1, ClusterID: "c"},
		{Kind: KindCatalog, Time: 2, Catalog: &put},
		{Kind: KindFrames, Time: 3, Term: 3, Leases: leasing, Frames: [][]byte{frame, frame}},
		{Kind: KindMember, Time: 4, Member: Member{"n1", "127.0.0.1:1", "127.0.0.1:2"}},
		{Kind: KindForget, Time: math.MaxInt64, Member: Member{ID: "n1"}},
		{Kind: KindPiece, Rules: RulesSecond, Time: 5, Term: 3, Piece: Piece{Total: 9, Bytes: []byte("abc")}},
	} {
		f.Add(c.Append(nil))
	}
	f.Add([]byte{1, 3, 0, 0, 10, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeCommand(b)
		if err != nil {
			return
		}
		again, err := DecodeCommand(c.Append(nil))
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v is encoded as %+v, %v", c, again, err)
		}
		if whole := c.Piece; c.Kind == KindPiece && whole.Of == 0 && uint64(len(whole.Bytes)) == whole.Total {
			if _, err := catalog.DecodeCommand(whole.Bytes); err != nil {
				return // no leader makes it, and nobody else can (TestPieceFromOutside)
			}
		}
		s := newState()
		for _, setup := range []Command{{Kind: KindCatalog, Time: 1, Catalog: &put}, {Kind: KindFrames, Time: 1, Term: 3, Leases: leasing, Frames: [][]byte{frame}}} {
			s.apply(1, 3, mustDecode(t, setup.Append(nil)))
		}
		s.apply(2, 3, mustDecode(t, b))
		kept := s.append(nil)
		restored, err := decodeState(kept)
		if err != nil {
			t.Fatalf("the state after %+v cannot be read again: %v", c, err)
		}
		if !bytes.Equal(restored.append(nil), kept) {
			t.Fatalf("the state after %+v is another one when it is read again", c)
		}
	})
}

func mustDecode(t interface{ Fatalf(string, ...any) }, b []byte) *decoded {
	d, err := decode(b)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return &d
}
