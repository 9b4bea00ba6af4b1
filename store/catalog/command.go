package catalog

import (
	"fmt"

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
	// If must hold of the domain, or the command fails with ErrPrecondition.
	If Precondition
}

// Put is the command that saves d and, with deploy, makes it live.
func Put(d Draft, deploy bool) Command { return Command{Op: OpPut, Draft: d, Deploy: deploy} }

// Deploy is the command that makes the draft of key live.
func Deploy(key string) Command { return Command{Op: OpDeploy, Key: key} }

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
	if err := c.If.check(); err != nil {
		return err
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
//	if      04 | precondition | put, deploy or delete
//
//	draft   key string | name string | endpoints uint | document | conditions
//
// A command without a Precondition is encoded as before there were any: it
// stands so in older logs; and so does a document that is not compressed.
// precondition is described in precondition.go, uint, string, document and
// conditions in wire.go.
func (c *Command) Append(b []byte) []byte {
	if !c.If.IsZero() {
		b = c.If.append(append(b, byte(opIf)))
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
	default:
		d.Fail("unknown operation %d", c.Op)
	}
	if err := d.Done(); err != nil {
		return Command{}, fmt.Errorf("catalog command: %w", err)
	}
	return c, nil
}
