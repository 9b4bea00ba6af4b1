package catalog

import (
	"cmp"
	"fmt"
	"math"

	"github.com/tollgate/tollgate/store/wire"
)

// Op is what a Command does.
type Op byte

// The commands. Their numbers are in the Raft log: they are never reused.
const (
	// OpPut saves a draft, and deploys it if Deploy is set.
	OpPut Op = 1
	// OpDeploy makes the draft of a domain live.
	OpDeploy Op = 2
	// OpDelete removes a domain.
	OpDelete Op = 3
	// opIf stands, in the encoding alone, before a command that has a
	// Precondition.
	opIf Op = 4
	// opBy stands, in the encoding alone, before a command that has an Origin.
	opBy Op = 5
	// opRollBack stands, in the encoding alone, for an OpDeploy that has a
	// Revision.
	opRollBack Op = 6
)

// The flags of OpPut.
const (
	flagDeploy    = 1 << 0
	flagMustBeNew = 1 << 1
)

// Command is one change of the catalogue.
type Command struct {
	Op Op
	// Draft is what OpPut saves; unused otherwise.
	Draft Draft
	// Deploy makes OpPut deploy what it saves; unused otherwise.
	Deploy bool
	// MustBeNew has OpPut fail with ErrExists if there is a domain of that
	// key; unused otherwise.
	MustBeNew bool
	// Key is the domain of OpDeploy and OpDelete; unused otherwise.
	Key string
	// Revision has OpDeploy make a former revision live instead of the draft; 0:
	// the draft. Unused otherwise.
	Revision uint64
	// If must hold of the domain, or the command fails with ErrPrecondition.
	If Precondition
	// By is who asked for it. It came with rules 3.
	By Origin
}

// IsPlain reports whether the command needs no rules beyond the second, but for its
// origin, which it can do without.
func (c *Command) IsPlain() bool { return c.Draft.IsPlain() && c.Revision == 0 }

// Put is the command that saves d and, with deploy, makes it live.
func Put(d Draft, deploy bool) Command { return Command{Op: OpPut, Draft: d, Deploy: deploy} }

// Deploy is the command that makes the draft of key live.
func Deploy(key string) Command { return Command{Op: OpDeploy, Key: key} }

// RollBack is the command that makes a former revision of key live.
func RollBack(key string, revision uint64) Command {
	return Command{Op: OpDeploy, Key: key, Revision: revision}
}

// Delete is the command that removes the domain key.
func Delete(key string) Command { return Command{Op: OpDelete, Key: key} }

// Check tells whether the command is within the bounds of its encoding. What
// Append makes of a command that passed is decoded to the same command; of one
// that did not pass it may be undecodable. Whoever proposes a command calls it
// first; a Draft of a Document always passes.
func (c *Command) Check() error {
	unused := func() error {
		d := &c.Draft
		if c.Deploy || c.MustBeNew || d.Key != "" || d.Name != "" || d.Endpoints != 0 || d.Document != nil || d.Size != 0 || d.Conditions != nil || d.SingleUse != 0 {
			return errUnused
		}
		return nil
	}
	if err := cmp.Or(c.If.check(), c.By.Check()); err != nil {
		return err
	}
	if c.Revision != 0 && c.Op != OpDeploy {
		return errUnused
	}
	switch c.Op {
	case OpPut:
		if c.Key != "" {
			return errUnused
		}
		return c.Draft.check()
	case OpDeploy, OpDelete:
		if err := unused(); err != nil {
			return err
		}
		return checkLength("key", len(c.Key), 1, MaxKeyBytes)
	}
	return fmt.Errorf("unknown operation %d", c.Op)
}

// Append appends the command's encoding to b. Its version is the caller's
// business, who puts it in front.
//
//	put     01 | flags byte (1: deploy, 2: must be new) | draft
//	deploy  02 | key string
//	delete  03 | key string
//	if      04 | precondition | put, deploy, delete or roll back
//	by      05 | origin | if, put, deploy, delete or roll back
//	back    06 | key string | revision uint
//
//	draft   key string | name string | endpoints uint | document | conditions
//
// A command without a Precondition is encoded as before there were any: it
// stands so in older logs; and so does a document that is not compressed.
// precondition is described in precondition.go, uint, string, document and
// conditions in wire.go.
func (c *Command) Append(b []byte) []byte {
	if !c.By.IsZero() {
		b = c.By.Append(append(b, byte(opBy)))
	}
	if !c.If.IsZero() {
		b = c.If.append(append(b, byte(opIf)))
	}
	if c.Revision != 0 {
		return wire.AppendUints(wire.AppendString(append(b, byte(opRollBack)), c.Key), c.Revision)
	}
	b = append(b, byte(c.Op))
	if c.Op != OpPut {
		return wire.AppendString(b, c.Key)
	}
	var flags byte
	if c.Deploy {
		flags |= flagDeploy
	}
	if c.MustBeNew {
		flags |= flagMustBeNew
	}
	b = wire.AppendString(append(b, flags), c.Draft.Key)
	b = wire.AppendString(b, c.Draft.Name)
	b = wire.AppendUints(b, uint64(c.Draft.Endpoints))
	b = appendDocument(b, c.Draft.Document, c.Draft.Size)
	return appendConditions(b, c.Draft.Conditions, c.Draft.SingleUse)
}

// DecodeCommand reads what Append wrote, and nothing else. It keeps no part
// of b.
func DecodeCommand(b []byte) (Command, error) {
	d := decoder{wire.NewReader(b)}
	c := Command{Op: Op(d.Byte())}
	if c.Op == opBy {
		if c.By = ReadOrigin(d.Reader); c.By.IsZero() {
			d.Fail("an origin that says nothing")
		}
		c.Op = Op(d.Byte())
	}
	if c.Op == opIf {
		c.If = d.precondition()
		c.Op = Op(d.Byte())
	}
	switch c.Op {
	case OpPut:
		flags := d.Byte()
		if flags&^(flagDeploy|flagMustBeNew) != 0 {
			d.Fail("flags are %#x, only %#x are known", flags, flagDeploy|flagMustBeNew)
		}
		c.Deploy, c.MustBeNew = flags&flagDeploy != 0, flags&flagMustBeNew != 0
		c.Draft.Key = d.String("key", 1, MaxKeyBytes)
		c.Draft.Name = d.String("name", 0, maxNameBytes)
		c.Draft.Endpoints = int(d.Uint("endpoints", 0, MaxEndpoints))
		c.Draft.Document, c.Draft.Size = d.document()
		c.Draft.Conditions, c.Draft.SingleUse = d.conditions()
	case OpDeploy, OpDelete:
		c.Key = d.String("key", 1, MaxKeyBytes)
	case opRollBack:
		c.Op = OpDeploy
		c.Key, c.Revision = d.String("key", 1, MaxKeyBytes), d.Uint("revision", 1, math.MaxUint64)
	default:
		d.Fail("unknown operation %d", c.Op)
	}
	if err := d.Done(); err != nil {
		return Command{}, fmt.Errorf("catalog command: %w", err)
	}
	return c, nil
}
