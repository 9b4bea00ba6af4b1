package catalog

import (
	"errors"
	"fmt"

	"github.com/tidwall/btree"

	"github.com/tollgate/tollgate/store/quota"
)

var (
	// ErrNotFound is the answer to a command on a domain that does not exist.
	ErrNotFound = errors.New("no such domain")
	// ErrExists is the answer to a Put of a domain that must be new and is not.
	ErrExists = errors.New("there is a domain of that key already")
)

// State is the catalogue: every domain with its draft and what is deployed of
// it. The same commands in the same order make equal states anywhere.
//
// A State is not safe for use by several goroutines at once. What it hands
// out may be kept and shared: entries are replaced, never changed.
type State struct {
	serial  uint64                    // of the newest revision
	domains btree.Map[string, *Entry] // what they point at is never changed
	consumers
}

// NewState is an empty catalogue.
func NewState() *State { return &State{} }

// Clone is a copy that later commands to s do not change; it may be read while
// they are applied. It shares what does not change of it, and costs nothing.
func (s *State) Clone() *State {
	c := &State{serial: s.serial, domains: *s.domains.Copy()}
	c.byID, c.byKey = *s.byID.Copy(), *s.byKey.Copy()
	return c
}

// Result is what a command did.
type Result struct {
	Key string
	// Revision is the number, and Serial the serial, of the revision that
	// was saved or deployed; both are 0 after a delete.
	Revision, Serial uint64
	// Deployed is true when the command made a revision live. Conditions are
	// then the quota conditions now in force, replacing all the domain had.
	Deployed   bool
	Conditions []quota.Condition
	SingleUse  uint32 // as in Draft
	// Deleted is true when the domain is gone, and with it its conditions.
	Deleted bool
}

// Apply makes one change. It takes over c.Draft, which is read-only from then
// on. ErrNotFound, ErrPrecondition, ErrExists and ErrNoRevision, in this order, are
// its only errors; the state is then as it was. What is saved is remembered as of
// cluster time now, in ms; 0: not at all, as by rules 1 and 2.
func (s *State) Apply(c Command, now int64) (Result, error) {
	if c.Op == OpPut {
		old, taken := s.Entry(c.Draft.Key)
		if !c.If.Holds(old.Draft.Serial) {
			return Result{}, ErrPrecondition
		}
		if taken && c.MustBeNew {
			return Result{}, ErrExists
		}
		return s.put(&c, now), nil
	}
	e, ok := s.Entry(c.Key)
	if !ok {
		return Result{}, ErrNotFound
	}
	if !c.If.Holds(e.Draft.Serial) {
		return Result{}, ErrPrecondition
	}
	switch c.Op {
	case OpDeploy:
		rev := e.Draft
		if c.Revision != 0 {
			past, kept := e.Past(c.Revision)
			if !kept {
				return Result{}, ErrNoRevision
			}
			rev = past.Revision
		}
		return s.deploy(e, rev), nil
	case OpDelete:
		s.domains.Delete(c.Key)
		s.removeAll(c.Key)
		return Result{Key: c.Key, Deleted: true}, nil
	}
	// DecodeCommand lets no other through: a node that went on would differ
	// from one that knows the operation.
	panic(fmt.Sprintf("catalog: unknown operation %d", c.Op))
}

func (s *State) put(c *Command, now int64) Result {
	s.serial++
	d := &c.Draft
	e, _ := s.Entry(d.Key)
	before := e.Draft
	e.Key, e.Name, e.Endpoints = d.Key, d.Name, d.Endpoints
	e.Draft = Revision{
		Number:     e.Draft.Number + 1,
		Serial:     s.serial,
		Document:   d.Document,
		Size:       d.Size,
		Conditions: d.Conditions,
		SingleUse:  d.SingleUse,
	}
	if now > 0 {
		e.remember(c.By, now, before)
	}
	s.domains.Set(d.Key, &e)
	if c.Deploy {
		return s.deploy(e, e.Draft)
	}
	return Result{Key: e.Key, Revision: e.Draft.Number, Serial: e.Draft.Serial}
}

// deploy makes a revision live; again, if it is already.
func (s *State) deploy(e Entry, rev Revision) Result {
	e.Deployed = rev
	s.domains.Set(e.Key, &e)
	return Result{
		Key:        e.Key,
		Revision:   e.Deployed.Number,
		Serial:     e.Deployed.Serial,
		Deployed:   true,
		Conditions: e.Deployed.Conditions,
		SingleUse:  e.Deployed.SingleUse,
	}
}

// Entry is one domain.
func (s *State) Entry(key string) (Entry, bool) {
	if e, ok := s.domains.Get(key); ok {
		return *e, true
	}
	return Entry{}, false
}

// Summaries lists all domains, sorted by key.
func (s *State) Summaries() []Summary {
	list := make([]Summary, 0, s.domains.Len())
	s.domains.Scan(func(_ string, e *Entry) bool {
		sum := Summary{Key: e.Key, Name: e.Name, DraftRevision: e.Draft.Number, Endpoints: e.Endpoints}
		if e.Deployed.Number != 0 {
			number := e.Deployed.Number // a pointer into e would keep its documents
			sum.DeployedRevision = &number
		}
		list = append(list, sum)
		return true
	})
	return list
}

// Deployed lists the domains of which something is live, sorted by key.
func (s *State) Deployed() []Entry {
	var list []Entry
	s.domains.Scan(func(_ string, e *Entry) bool {
		if e.Deployed.Number != 0 {
			list = append(list, *e)
		}
		return true
	})
	return list
}
