package store

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
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
)

// since is the first rules that have a kind.
func (k Kind) since() Rules {
	if k == KindCheckpoint || k == KindPiece {
		return RulesSecond
	}
	return RulesFirst
}

// Command is one entry of the log. Which fields count depends on its Kind:
//
//	version:byte(1) kind:byte time:u term:u payload           by RulesFirst
//	version:byte(2) kind:byte rules:u time:u term:u payload   by later rules
//	KindInit     clusterID:s
//	KindCatalog  catalog.Command
//	KindFrames   leaseMillis:u longLeaseMillis:u minLease:u count:u { frame:s }   (quota.Frame)
//	KindMember   id:s admin:s proxy:s
//	KindForget   id:s
//	KindCheckpoint
//	KindPiece    of:u total:u bytes:s, of a catalog.Command
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
	// Frames are encoded quota frames; Leases bounds what they are granted.
	Frames [][]byte
	Leases quota.Params
	Member Member
	Piece  Piece
}

// Member is where others reach a member's listeners for clients and admins.
type Member struct {
	ID, AdminAddress, ProxyAddress string
}

const maxAddressBytes = 255

// Append appends the command's encoding.
func (c *Command) Append(b []byte) []byte {
	if c.Rules <= RulesFirst {
		b = append(b, commandFirst, byte(c.Kind))
	} else {
		b = append(b, commandRules, byte(c.Kind))
		b = protowire.AppendVarint(b, uint64(c.Rules))
	}
	b = protowire.AppendVarint(b, uint64(c.Time))
	b = protowire.AppendVarint(b, c.Term)
	switch c.Kind {
	case KindInit:
		b = protowire.AppendString(b, c.ClusterID)
	case KindCatalog:
		b = c.Catalog.Append(b)
	case KindFrames:
		b = protowire.AppendVarint(b, uint64(c.Leases.LeaseMillis))
		b = protowire.AppendVarint(b, uint64(c.Leases.LongLeaseMillis))
		b = protowire.AppendVarint(b, uint64(c.Leases.MinLease))
		b = protowire.AppendVarint(b, uint64(len(c.Frames)))
		for _, f := range c.Frames {
			b = protowire.AppendBytes(b, f)
		}
	case KindMember:
		b = protowire.AppendString(b, c.Member.ID)
		b = protowire.AppendString(b, c.Member.AdminAddress)
		b = protowire.AppendString(b, c.Member.ProxyAddress)
	case KindForget:
		b = protowire.AppendString(b, c.Member.ID)
	case KindPiece:
		b = protowire.AppendVarint(b, c.Piece.Of)
		b = protowire.AppendVarint(b, c.Piece.Total)
		b = protowire.AppendBytes(b, c.Piece.Bytes)
	}
	return b
}

// decoded is a command as it is applied: its frames are decoded too.
type decoded struct {
	Command
	frames []*quota.Frame
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
	d := decoded{Command: Command{Kind: Kind(b[1]), Rules: RulesFirst}}
	rest := b[2:]
	if b[0] == commandRules {
		rules, n := protowire.ConsumeVarint(rest)
		if n < 0 || rules <= uint64(RulesFirst) || rules > math.MaxUint32 {
			return decoded{}, errors.New("command rules: truncated or out of range")
		}
		d.Rules, rest = Rules(rules), rest[n:]
	}
	if !KnownRules().Has(d.Rules) {
		return d, &unknownRules{"a command", d.Rules}
	}
	time, n := protowire.ConsumeVarint(rest)
	if n < 0 || time > math.MaxInt64 {
		return decoded{}, errors.New("command time: truncated or out of range")
	}
	term, m := protowire.ConsumeVarint(rest[n:])
	if m < 0 {
		return decoded{}, errors.New("command term: truncated")
	}
	d.Time, d.Term = int64(time), term
	if d.Rules < d.Kind.since() {
		return decoded{}, fmt.Errorf("command kind %d: there is none by rules %d", d.Kind, d.Rules)
	}
	if err := d.payload(rest[n+m:]); err != nil {
		return decoded{}, fmt.Errorf("command kind %d: %w", d.Kind, err)
	}
	return d, nil
}

func (d *decoded) payload(b []byte) (err error) {
	switch d.Kind {
	case KindInit:
		return fields(b, maxAddressBytes, &d.ClusterID)
	case KindCatalog:
		cmd, err := catalog.DecodeCommand(b)
		if d.Catalog = &cmd; err == nil && cmd.Draft.Size > 0 && d.Rules < RulesSecond {
			err = fmt.Errorf("a compressed document: there is none by rules %d", d.Rules)
		}
		return err
	case KindFrames:
		return d.decodeFrames(b)
	case KindMember:
		return fields(b, maxAddressBytes, &d.Member.ID, &d.Member.AdminAddress, &d.Member.ProxyAddress)
	case KindForget:
		return fields(b, maxAddressBytes, &d.Member.ID)
	case KindCheckpoint:
		return fields(b, 0)
	case KindPiece:
		return d.decodePiece(b)
	}
	return errors.New("unknown kind")
}

func (d *decoded) decodePiece(b []byte) error {
	of, n := protowire.ConsumeVarint(b)
	if n < 0 {
		return errors.New("piece: truncated")
	}
	total, m := protowire.ConsumeVarint(b[n:])
	if m < 0 {
		return errors.New("piece: truncated")
	}
	part, k := protowire.ConsumeBytes(b[n+m:])
	switch {
	case k < 0:
		return errors.New("piece: truncated")
	case n+m+k < len(b):
		return fmt.Errorf("piece: %d bytes too many", len(b)-n-m-k)
	case total > MaxCommandBytes || uint64(len(part)) > total:
		return fmt.Errorf("a piece of %d bytes of %d: must be at most those, and %d", len(part), total, MaxCommandBytes)
	case len(part) == 0 && (of != 0 || total != 0):
		return errors.New("an empty piece")
	}
	d.Piece = Piece{of, total, append([]byte(nil), part...)}
	return nil
}

func (d *decoded) decodeFrames(b []byte) error {
	var head [4]uint64
	for i := range head {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 || i < 3 && v > math.MaxUint32 {
			return errors.New("frames: truncated, or out of range")
		}
		head[i], b = v, b[n:]
	}
	d.Leases = quota.Params{LeaseMillis: uint32(head[0]), LongLeaseMillis: uint32(head[1]), MinLease: uint32(head[2])}
	for count := head[3]; count > 0; count-- {
		raw, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return errors.New("frames: truncated")
		}
		f, err := quota.DecodeFrame(raw)
		if err != nil {
			return err
		}
		d.Frames, d.frames = append(d.Frames, raw), append(d.frames, f)
		b = b[n:]
	}
	if len(b) > 0 {
		return fmt.Errorf("frames: %d bytes too many", len(b))
	}
	return nil
}

// fields reads exactly the given strings.
func fields(b []byte, limit int, dst ...*string) error {
	for _, s := range dst {
		v, n := protowire.ConsumeString(b)
		if n < 0 {
			return errors.New("truncated")
		}
		if len(v) > limit {
			return fmt.Errorf("field of %d bytes: must be at most %d", len(v), limit)
		}
		*s, b = v, b[n:]
	}
	if len(b) > 0 {
		return fmt.Errorf("%d bytes too many", len(b))
	}
	return nil
}
