package catalog

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/tollgate/tollgate/store/wire"
)

// ConsumerOp is what a ConsumerCommand does.
type ConsumerOp byte

// The commands on consumers. Their numbers are in the Raft log: they are never reused.
const (
	// PutConsumer makes a consumer, or changes its name and plan.
	PutConsumer ConsumerOp = 1
	// DeleteConsumer removes a consumer with its keys.
	DeleteConsumer ConsumerOp = 2
	// AddKey gives a consumer a key.
	AddKey ConsumerOp = 3
	// DeleteKey takes a key away.
	DeleteKey ConsumerOp = 4
)

// ConsumerCommand is one change of the consumers of a domain.
type ConsumerCommand struct {
	Op         ConsumerOp
	Domain, ID string
	// Name and Plan are of PutConsumer.
	Name, Plan string
	// Prefix is of AddKey and DeleteKey, Digest of AddKey.
	Prefix string
	Digest [sha256.Size]byte
}

// ConsumerFault says what is wrong with an ID; empty: nothing.
func ConsumerFault(id string) string {
	if len(id) < 1 || len(id) > MaxConsumerBytes || strings.ContainsFunc(id, func(r rune) bool { return !isKeyRune(r) }) || id == "." || id == ".." {
		return fmt.Sprintf("must be 1 to %d of A-Z a-z 0-9 . _ ~ -", MaxConsumerBytes)
	}
	return ""
}

func isKeyRune(r rune) bool {
	return r < utf8.RuneSelf && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._~-", r))
}

// Check tells whether the command is within its bounds.
func (c *ConsumerCommand) Check() error {
	id := error(nil)
	if fault := ConsumerFault(c.ID); fault != "" {
		id = errors.New("a consumer's ID " + fault)
	}
	key := c.Op == AddKey || c.Op == DeleteKey
	if c.Op < PutConsumer || c.Op > DeleteKey || (c.Prefix != "") != key || c.Op != AddKey && c.Digest != [sha256.Size]byte{} || c.Op != PutConsumer && c.Name+c.Plan != "" {
		return errUnused
	}
	return cmp.Or(
		checkLength("key", len(c.Domain), 1, MaxKeyBytes), id,
		checkLength("name", len(c.Name), 0, maxNameBytes),
		checkLength("plan", len(c.Plan), 0, maxPlanBytes),
		checkLength("prefix", len(c.Prefix), 0, maxKeyPrefixBytes),
	)
}

// Append appends the command's encoding.
//
//	01 domain string | id string | name string | plan string
//	02 domain string | id string
//	03 domain string | id string | prefix string | 32 bytes
//	04 domain string | id string | prefix string
func (c *ConsumerCommand) Append(b []byte) []byte {
	b = wire.AppendString(wire.AppendString(append(b, byte(c.Op)), c.Domain), c.ID)
	switch c.Op {
	case PutConsumer:
		b = wire.AppendString(wire.AppendString(b, c.Name), c.Plan)
	case AddKey:
		b = append(wire.AppendString(b, c.Prefix), c.Digest[:]...)
	case DeleteKey:
		b = wire.AppendString(b, c.Prefix)
	}
	return b
}

// ReadConsumerCommand reads what ConsumerCommand.Append wrote.
func ReadConsumerCommand(of *wire.Reader) ConsumerCommand {
	r := decoder{of}
	c := ConsumerCommand{Op: ConsumerOp(r.Byte()), Domain: r.String("domain", 1, MaxKeyBytes), ID: r.String("consumer", 1, MaxConsumerBytes)}
	switch c.Op {
	case PutConsumer:
		c.Name, c.Plan = r.String("name", 0, maxNameBytes), r.String("plan", 0, maxPlanBytes)
	case AddKey:
		c.Prefix, c.Digest = r.String("prefix", 1, maxKeyPrefixBytes), r.digest()
	case DeleteKey:
		c.Prefix = r.String("prefix", 1, maxKeyPrefixBytes)
	}
	if of.Err() == nil {
		if err := c.Check(); err != nil {
			of.Fail("%v", err)
		}
	}
	return c
}

func (d *decoder) digest() (sum [sha256.Size]byte) {
	for i := range sum {
		sum[i] = d.Byte()
	}
	return sum
}

// Consumers is the part of a State that writes its consumers.
type Consumers struct{ of *consumers }

// ConsumersPart is what writes the consumers of a state. It is good as long as the state
// is not changed.
func (s *State) ConsumersPart() Consumers { return Consumers{&s.consumers} }

// WriteTo writes the consumers of all domains, by domain and ID:
//
//	n uint | n × ( domain string | id string | name string | plan string |
//	               k uint | k × ( prefix string | 32 bytes | created uint ) )
func (cs Consumers) WriteTo(w io.Writer) (written int64, err error) {
	b := wire.AppendUints(nil, uint64(cs.of.byID.Len()))
	flush := func(least int) bool {
		if err == nil && len(b) >= least {
			var n int
			n, err = w.Write(b)
			written, b = written+int64(n), b[:0]
		}
		return err == nil
	}
	cs.of.byID.Scan(func(_ string, c *Consumer) bool {
		b = wire.AppendString(wire.AppendString(b, c.Domain), c.ID)
		b = wire.AppendString(wire.AppendString(b, c.Name), c.Plan)
		b = wire.AppendUints(b, uint64(len(c.Keys)))
		for _, k := range c.Keys {
			b = append(wire.AppendString(b, k.Prefix), k.Digest[:]...)
			b = wire.AppendUints(b, uint64(k.Created))
		}
		return flush(32 << 10)
	})
	flush(1)
	return written, err
}

// DecodeConsumers reads what Consumers.WriteTo wrote into the state.
func (s *State) DecodeConsumers(b []byte) error {
	d := decoder{wire.NewReader(b)}
	last := ""
	for range d.Uint("number of consumers", 0, math.MaxUint32) {
		c := &Consumer{
			Domain: d.String("domain", 1, MaxKeyBytes), ID: d.String("consumer", 1, MaxConsumerBytes),
			Name: d.String("name", 0, maxNameBytes), Plan: d.String("plan", 0, maxPlanBytes),
			Keys: wire.List(d.Reader, "keys", MaxConsumerKeys, func() Key {
				return Key{d.String("prefix", 1, maxKeyPrefixBytes), d.digest(), int64(d.Uint("created", 0, math.MaxInt64))}
			}),
		}
		if d.Err() != nil {
			break
		}
		if at := place(c.Domain, c.ID); at <= last {
			d.Fail("the consumer %q of %q does not come after the one before", c.ID, c.Domain)
		} else {
			last = at
		}
		s.replace(nil, c)
	}
	if err := d.Done(); err != nil {
		return fmt.Errorf("consumers: %w", err)
	}
	return nil
}
