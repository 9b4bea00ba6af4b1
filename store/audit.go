package store

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/wire"
)

// MaxAudit is how many of the newest changes are remembered.
const MaxAudit = 10_000

// Audit is one change that somebody asked for, and that was made.
type Audit struct {
	// At is the cluster time, in ms.
	At                  int64
	Name, Role, Address string
	// Action is one of the Action constants.
	Action string
	// Domain is the domain's key, or the member's ID; it may be empty. Revision is the
	// revision of the domain that was saved or made live, else 0.
	Domain   string
	Revision uint64
}

// What administrators do.
const (
	ActionImport         = "import"
	ActionDeploy         = "deploy"
	ActionRollBack       = "rollback"
	ActionDelete         = "delete"
	ActionPutConsumer    = "consumer.put"
	ActionDeleteConsumer = "consumer.delete"
	ActionAddKey         = "key.create"
	ActionDeleteKey      = "key.delete"
	ActionReset          = "quota.reset"
	ActionAdjust         = "quota.adjust"
	ActionJoin           = "member.join"
	ActionLeave          = "member.leave"
	ActionTransfer       = "member.transfer"
	ActionBackup         = "backup"
	ActionRestore        = "restore"
)

const maxActionBytes = 32

// record remembers a change that somebody has asked for.
func (s *state) record(by *catalog.Origin, action, domain string, revision uint64) {
	if by.IsZero() {
		return
	}
	if len(s.audit) >= 2*MaxAudit { // copies of the state share what is behind
		s.audit = slices.Clone(s.audit[len(s.audit)-MaxAudit+1:])
	}
	s.audit = append(s.audit, Audit{s.quota.Now(), by.Name, by.Role, by.Address, action, domain, revision})
}

// audited is what is remembered, the newest last.
func audited(list []Audit) []Audit { return list[max(0, len(list)-MaxAudit):] }

// Audit lists up to n of the newest changes, the newest first.
func (s *Store) Audit(n int) []Audit {
	list := read(s, func(st *state) []Audit { return audited(st.audit) })
	list = slices.Clone(list[max(0, len(list)-n):])
	slices.Reverse(list)
	return list
}

var consumerActions = map[catalog.ConsumerOp]string{
	catalog.PutConsumer: ActionPutConsumer, catalog.DeleteConsumer: ActionDeleteConsumer,
	catalog.AddKey: ActionAddKey, catalog.DeleteKey: ActionDeleteKey,
}

// recordCatalog remembers a change of the domains.
func (s *state) recordCatalog(c *catalog.Command, res catalog.Result) {
	switch {
	case c.Op == catalog.OpPut:
		s.record(&c.By, ActionImport, res.Key, res.Revision)
		if c.Deploy {
			s.record(&c.By, ActionDeploy, res.Key, res.Revision)
		}
	case c.Op == catalog.OpDelete:
		s.record(&c.By, ActionDelete, res.Key, 0)
	case c.Revision != 0:
		s.record(&c.By, ActionRollBack, res.Key, res.Revision)
	default:
		s.record(&c.By, ActionDeploy, res.Key, res.Revision)
	}
}

// auditPart writes what is remembered, the newest last:
//
//	n:u { at:u name:s role:s address:s action:s domain:s revision:u }
type auditPart []Audit

// WriteTo implements io.WriterTo.
func (list auditPart) WriteTo(w io.Writer) (int64, error) {
	b := wire.AppendUints(nil, uint64(len(list)))
	for i := range list {
		a := &list[i]
		b = wire.AppendUints(b, uint64(a.At))
		for _, text := range []string{a.Name, a.Role, a.Address, a.Action, a.Domain} {
			b = wire.AppendString(b, text)
		}
		b = wire.AppendUints(b, a.Revision)
	}
	n, err := w.Write(b)
	return int64(n), err
}

func decodeAudit(b []byte) ([]Audit, error) {
	r := wire.NewReader(b)
	text := func(what string) string { return r.String(what, 0, maxAddressBytes) }
	list := wire.List(r, "changes", MaxAudit, func() Audit {
		return Audit{
			At: int64(r.Uint("at", 0, math.MaxInt64)), Name: text("name"), Role: text("role"), Address: text("address"),
			Action: text("action"), Domain: text("domain"), Revision: r.Uint("revision", 0, math.MaxUint64),
		}
	})
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("the audit: %w", err)
	}
	return list, nil
}
