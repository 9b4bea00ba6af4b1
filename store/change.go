package store

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// Apply proposes a command and waits for its result. A change of the domains
// that changes nothing is no entry of the log; a large one is several.
func (s *Store) Apply(ctx context.Context, c Command) (Result, error) {
	c = c.Known(s.proposing())
	switch c.Kind {
	case KindCatalog:
	case KindPiece: // another node's: what the pieces come to was not checked
		return Result{}, errors.New("a change is cut into pieces by the leader alone")
	default:
		if s.proposing() < c.LeastRules() {
			return Result{}, ErrUpgrading
		}
		return s.Propose(c).Wait(ctx)
	}
	if res, done, err := s.unchanged(ctx, c.Catalog); done || err != nil {
		return res, err
	}
	if s.proposing() < c.LeastRules() {
		return Result{}, ErrUpgrading
	}
	if s.proposing() < RulesSecond {
		return s.Propose(c).Wait(ctx)
	}
	change := *c.Catalog
	change.Pack()
	if encoded := change.Append(nil); len(encoded) > pieceBytes {
		return s.inPieces(ctx, cut(encoded))
	}
	return s.Propose(Command{Kind: KindCatalog, Catalog: &change}).Wait(ctx)
}

// unchanged answers a command that saves what the draft is already, as Apply of
// the revision that is there would have been answered: it decides before
// anything is proposed. Where that revision is to be deployed and is not yet, a
// small entry says so.
func (s *Store) unchanged(ctx context.Context, c *catalog.Command) (res Result, done bool, err error) {
	if c.Op != catalog.OpPut || c.MustBeNew {
		return Result{}, false, nil
	}
	e, ok := s.Domain(c.Draft.Key)
	if !ok || !c.If.Holds(e.Draft.Serial) || !saves(&e, &c.Draft) {
		return Result{}, false, nil
	}
	if c.Deploy && e.Deployed.Serial != e.Draft.Serial {
		deploy := catalog.Deploy(e.Key)
		deploy.If.Serials = []uint64{e.Draft.Serial}
		deploy.By = c.By
		res, err = s.Propose(Command{Kind: KindCatalog, Catalog: &deploy}).Wait(ctx)
		return res, err == nil && res.Err == nil, err // another change came before it: as if there were none
	}
	// What this replica has may be old: a leader that was deposed does not know.
	index, _, err := s.ReadIndex(ctx)
	if err != nil {
		return Result{}, false, err
	}
	if now, _ := s.Domain(e.Key); now.Draft.Serial != e.Draft.Serial || now.Deployed.Serial != e.Deployed.Serial {
		return Result{}, false, nil
	}
	res = Result{Index: index, Catalog: catalog.Result{Key: e.Key, Revision: e.Draft.Number, Serial: e.Draft.Serial}}
	if c.Deploy {
		res.Catalog.Deployed, res.Catalog.Conditions, res.Catalog.SingleUse = true, e.Deployed.Conditions, e.Deployed.SingleUse
	}
	return res, true, nil
}

// saves tells whether a draft is what the domain has.
func saves(e *catalog.Entry, d *catalog.Draft) bool {
	if d.Size != 0 || e.Name != d.Name || e.Endpoints != d.Endpoints || e.Draft.SingleUse != d.SingleUse || !slices.EqualFunc(e.Draft.Conditions, d.Conditions, quota.Condition.Equal) {
		return false
	}
	if size := e.Draft.Size; size != 0 && size != len(d.Document) {
		return false
	}
	doc, err := e.Draft.JSON()
	return err == nil && bytes.Equal(doc, d.Document)
}

// inPieces proposes a change one piece after the other: what else is proposed
// goes between them. A change whose last piece was not proposed is not made.
func (s *Store) inPieces(ctx context.Context, pieces []Piece) (Result, error) {
	select {
	case s.large <- struct{}{}: // one at a time: another first piece drops what has come
		defer func() { <-s.large }()
	case <-ctx.Done():
		return Result{}, ErrNotLeader // nothing was proposed
	}
	var of uint64
	for i, p := range pieces {
		p.Of = of
		res, err := s.Propose(Command{Kind: KindPiece, Piece: p}).Wait(ctx)
		last := i == len(pieces)-1
		if err == nil && res.Err == errPiece || errors.Is(err, ErrUnknownOutcome) && !last {
			err = ErrNotLeader // another leader came between: the change is not made
		}
		if ctx.Err() != nil && !last { // nobody goes on with it
			s.Propose(Command{Kind: KindPiece})
		}
		if err != nil || last {
			return res, err
		}
		if i == 0 {
			of = res.Index
		}
	}
	panic("a change without pieces")
}
