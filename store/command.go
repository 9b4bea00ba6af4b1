package store

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
	"github.com/tollgate/tollgate/store/wire"
)

// MaxCommandBytes bounds a command's encoding, in both directions: room for
// the largest document and its quota conditions.
const MaxCommandBytes = 24 << 20

// The first byte of a command. Commands of RulesFirst are as they were before there
// were rules.
const (
	commandFirst = 1
	commandRules = 2
)

// Kind says what a command does.
type Kind uint8

// The kinds of command. Numbers are part of the log's format.
const (
	// KindInit names a new cluster; later ones change nothing.
	KindInit Kind = iota + 1
	// KindCatalog changes the domains.
	KindCatalog
	// KindFrames decides quota frames.
	KindFrames
	// KindMember records where a member's listeners are.
	KindMember
	// KindForget drops what is remembered of a member that left.
	KindForget
	// KindCheckpoint has every replica work out the digest of its state at this
	// index. It changes nothing. RulesSecond.
	KindCheckpoint
	// KindPiece brings a part of a KindCatalog command that is too large for
	// one entry.
	KindPiece
	// KindConsumer changes the consumers of a domain. RulesThird.
	KindConsumer
	// KindReset ends the running window of a counter, and KindAdjust adds to its
	// maximum. RulesThird.
	KindReset
	KindAdjust
	// KindAudit changes nothing but what is remembered of who did what. RulesThird.
	KindAudit
	// KindRestorePiece brings a part of a backup, and KindRestore puts it in the place of
	// what there is. RulesThird.
	KindRestorePiece
	KindRestore
)

// since is the first rules that have a kind.
func (k Kind) since() Rules {
	switch k {
	case KindCheckpoint, KindPiece:
		return RulesSecond
	case KindConsumer, KindReset, KindAdjust, KindAudit, KindRestorePiece, KindRestore:
		return RulesThird
	}
	return RulesFirst
}

// LeastRules are the first by which the command can be applied.
func (c *Command) LeastRules() Rules {
	if c.Kind == KindCatalog && !(c.Catalog.IsPlain() && c.Catalog.By.IsZero()) {
		return RulesThird
	}
	return c.Kind.since()
}

// Known leaves out what a cluster of rules r cannot take in and can do without: who
// asked for a change of the domains.
func (c Command) Known(r Rules) Command {
	if c.Kind == KindCatalog && r < RulesThird {
		change := *c.Catalog
		change.By, c.Catalog = catalog.Origin{}, &change
	}
	return c
}

// Command is one entry of the log. Which fields count depends on its Kind:
//
//	version:byte(1) kind:byte time:u term:u payload           by RulesFirst
//	version:byte(2) kind:byte rules:u time:u term:u payload   by later rules
//	KindInit     clusterID:s
//	KindCatalog  catalog.Command
//	KindFrames   leaseMillis:u longLeaseMillis:u minLease:u
//	             ends:u { rule:u end:u }                       since RulesThird
//	             count:u { frame:s }                           (quota.Frame)
//	KindMember   id:s admin:s proxy:s
//	KindForget   id:s
//	KindCheckpoint
//	KindPiece    of:u total:u bytes:s, of a catalog.Command
//	KindConsumer catalog.ConsumerCommand by
//	KindReset    target by
//	KindAdjust   target add:u(zigzag) by
//	KindAudit    action:s of:s by
//	KindRestorePiece id:s total:u offset:u bytes:s
//	KindRestore  id:s by
//	by           catalog.Origin
//	target       domain:s endpoint:s reset:u unit:u zone:s by:s shadow:u caller:16 bytes window:u
//
// u is a uvarint, s a uvarint length and its bytes.
type Command struct {
	Kind Kind
	// Rules are what it is applied by; 0 is RulesFirst.
	Rules Rules
	// Time is the cluster time, in milliseconds, at which a leader proposed
	// the command, and Term the Raft term it believed to lead in. A time that
	// was not stamped in the term of its log entry moves nothing: it belongs
	// to another leadership, whose clock may have stood anywhere.
	Time      int64
	Term      uint64
	ClusterID string
	Catalog   *catalog.Command
	// Frames are encoded quota frames; Leases bounds what they are granted. Ends are
	// the ends of calendar windows that are to be known before.
	Frames [][]byte
	Leases quota.Params
	Ends   []quota.CalendarEnd
	// Consumer is the change of a KindConsumer.
	Consumer catalog.ConsumerCommand
	// Target is the window of a KindReset or a KindAdjust, Add what is added.
	Target quota.Target
	Add    int64
	// By is who asked for a KindConsumer, a KindReset, a KindAdjust or a KindAudit; a
	// KindCatalog has its own. Action and Of are what a KindAudit says was done, and
	// of whom.
	By         catalog.Origin
	Action, Of string
	Member     Member
	Piece      Piece
	// Restore is the piece of a KindRestorePiece; of a KindRestore only its ID counts.
	Restore RestorePiece
}

// Member is where others reach a member's listeners for clients and admins.
type Member struct {
	ID, AdminAddress, ProxyAddress string
}

const (
	maxAddressBytes = 255
	// maxEnds bounds Command.Ends.
	maxEnds = 4096
)

// Append appends the command's encoding.
func (c *Command) Append(b []byte) []byte {
	if c.Rules <= RulesFirst {
		b = append(b, commandFirst, byte(c.Kind))
	} else {
		b = append(b, commandRules, byte(c.Kind))
		b = wire.AppendUints(b, uint64(c.Rules))
	}
	b = wire.AppendUints(b, uint64(c.Time))
	b = wire.AppendUints(b, c.Term)
	switch c.Kind {
	case KindInit:
		b = wire.AppendString(b, c.ClusterID)
	case KindCatalog:
		b = c.Catalog.Append(b)
	case KindFrames:
		b = wire.AppendUints(b, uint64(c.Leases.LeaseMillis))
		b = wire.AppendUints(b, uint64(c.Leases.LongLeaseMillis))
		b = wire.AppendUints(b, uint64(c.Leases.MinLease))
		if c.Rules >= RulesThird {
			b = wire.AppendUints(b, uint64(len(c.Ends)))
			for _, e := range c.Ends {
				b = wire.AppendUints(b, e.Rule, uint64(e.End))
			}
		}
		b = wire.AppendUints(b, uint64(len(c.Frames)))
		for _, f := range c.Frames {
			b = wire.AppendString(b, f)
		}
	case KindMember:
		b = wire.AppendString(b, c.Member.ID)
		b = wire.AppendString(b, c.Member.AdminAddress)
		b = wire.AppendString(b, c.Member.ProxyAddress)
	case KindForget:
		b = wire.AppendString(b, c.Member.ID)
	case KindPiece:
		b = wire.AppendUints(b, c.Piece.Of)
		b = wire.AppendUints(b, c.Piece.Total)
		b = wire.AppendString(b, c.Piece.Bytes)
	case KindConsumer:
		b = c.By.Append(c.Consumer.Append(b))
	case KindReset:
		b = c.By.Append(c.Target.Append(b))
	case KindAdjust:
		b = c.By.Append(wire.AppendUints(c.Target.Append(b), wire.Zigzag(c.Add)))
	case KindRestorePiece:
		b = wire.AppendUints(wire.AppendString(b, c.Restore.ID), c.Restore.Total, c.Restore.Offset)
		b = wire.AppendString(b, c.Restore.Bytes)
	case KindRestore:
		b = c.By.Append(wire.AppendString(b, c.Restore.ID))
	case KindAudit:
		b = c.By.Append(wire.AppendString(wire.AppendString(b, c.Action), c.Of))
	}
	return b
}

// decoded is a command as it is applied: its frames are decoded too.
type decoded struct {
	Command
	frames []*quota.Frame
	r      *wire.Reader
}

// DecodeCommand is the inverse of Command.Append. It checks the whole command,
// the frames in it included.
func DecodeCommand(b []byte) (Command, error) {
	d, err := decode(b)
	return d.Command, err
}

func decode(b []byte) (decoded, error) {
	switch {
	case len(b) > MaxCommandBytes:
		return decoded{}, fmt.Errorf("command of %d bytes: must be at most %d", len(b), MaxCommandBytes)
	case len(b) < 2:
		return decoded{}, errors.New("command: truncated")
	case b[0] != commandFirst && b[0] != commandRules:
		return decoded{}, fmt.Errorf("command version %d: this node knows versions %d and %d", b[0], commandFirst, commandRules)
	}
	d := decoded{Command: Command{Kind: Kind(b[1]), Rules: RulesFirst}, r: wire.NewOldReader(b[2:])}
	if b[0] == commandRules {
		d.r = wire.NewReader(b[2:])
		d.Rules = Rules(d.r.Uint("rules", uint64(RulesFirst)+1, math.MaxUint32))
		if d.r.Err() == nil && !KnownRules().Has(d.Rules) {
			return d, &unknownRules{"a command", d.Rules}
		}
	}
	d.Time = int64(d.r.Uint("time", 0, math.MaxInt64))
	d.Term = d.r.Uint("term", 0, math.MaxUint64)
	if d.r.Err() == nil && d.Rules < d.Kind.since() {
		d.r.Fail("there is none by rules %d", d.Rules)
	}
	d.payload()
	if err := d.r.Done(); err != nil {
		return decoded{}, fmt.Errorf("command kind %d: %w", d.Kind, err)
	}
	return d, nil
}

func (d *decoded) payload() {
	text := func(what string) string { return d.r.String(what, 0, maxAddressBytes) }
	switch d.Kind {
	case KindInit:
		d.ClusterID = text("cluster ID")
	case KindCatalog:
		d.decodeCatalog()
	case KindFrames:
		d.decodeFrames()
	case KindMember:
		d.Member = Member{ID: text("ID"), AdminAddress: text("admin address"), ProxyAddress: text("proxy address")}
	case KindForget:
		d.Member.ID = text("ID")
	case KindCheckpoint:
	case KindPiece:
		d.decodePiece()
	case KindConsumer:
		d.Consumer = catalog.ReadConsumerCommand(d.r)
		d.By = catalog.ReadOrigin(d.r)
	case KindReset:
		d.Target = quota.ReadTarget(d.r)
		d.By = catalog.ReadOrigin(d.r)
	case KindAdjust:
		d.Target = quota.ReadTarget(d.r)
		d.Add = wire.Unzigzag(d.r.Uint("add", 0, math.MaxUint64))
		d.By = catalog.ReadOrigin(d.r)
	case KindRestorePiece:
		d.Restore = RestorePiece{ID: text("restore"), Total: d.r.Uint("total", 1, MaxBackupBytes)}
		d.Restore.Offset = d.r.Uint("offset", 0, d.Restore.Total)
		d.Restore.Bytes = bytes.Clone(d.r.Bytes("piece", 1, int(min(d.Restore.Total-d.Restore.Offset, MaxCommandBytes))))
	case KindRestore:
		d.Restore.ID = text("restore")
		d.By = catalog.ReadOrigin(d.r)
	case KindAudit:
		d.Action, d.Of = d.r.String("action", 1, maxActionBytes), text("of")
		d.By = catalog.ReadOrigin(d.r)
	default:
		d.r.Fail("unknown kind")
	}
}

func (d *decoded) decodeCatalog() {
	if d.r.Err() != nil {
		return
	}
	cmd, err := catalog.DecodeCommand(d.r.Rest())
	if err == nil && cmd.Draft.Size > 0 && d.Rules < RulesSecond {
		err = fmt.Errorf("a compressed document: there is none by rules %d", d.Rules)
	}
	if err == nil && !(cmd.IsPlain() && cmd.By.IsZero()) && d.Rules < RulesThird {
		err = fmt.Errorf("conditions with callers, a roll back or an origin: there are none by rules %d", d.Rules)
	}
	if d.Catalog = &cmd; err != nil {
		d.r.Fail("%w", err)
	}
}

func (d *decoded) decodePiece() {
	d.Piece.Of = d.r.Uint("of", 0, math.MaxUint64)
	d.Piece.Total = d.r.Uint("total", 0, MaxCommandBytes)
	part := d.r.Bytes("piece", 0, int(d.Piece.Total))
	if len(part) == 0 && (d.Piece.Of != 0 || d.Piece.Total != 0) {
		d.r.Fail("an empty piece")
	}
	d.Piece.Bytes = append([]byte(nil), part...) // nil for none
}

func (d *decoded) decodeFrames() {
	number := func(what string) uint32 { return uint32(d.r.Uint(what, 0, math.MaxUint32)) }
	d.Leases = quota.Params{LeaseMillis: number("lease"), LongLeaseMillis: number("long lease"), MinLease: number("smallest lease")}
	decode := quota.DecodeOldFrame
	if d.Rules >= RulesSecond {
		decode = func(b []byte) (*quota.Frame, error) { return quota.DecodeFrame(b, d.Rules.quotas()) }
	}
	if d.Rules >= RulesThird {
		d.Ends = wire.List(d.r, "ends of windows", maxEnds, func() quota.CalendarEnd {
			return quota.CalendarEnd{Rule: d.r.Uint("rule", 1, math.MaxUint64), End: int64(d.r.Uint("end", 1, math.MaxInt64))}
		})
	}
	for range d.r.Uint("number of frames", 0, math.MaxUint64) {
		raw := d.r.Bytes("frame", 0, MaxCommandBytes)
		if d.r.Err() != nil {
			return
		}
		f, err := decode(raw)
		if err != nil {
			d.r.Fail("%w", err)
			return
		}
		d.Frames, d.frames = append(d.Frames, raw), append(d.frames, f)
	}
}
