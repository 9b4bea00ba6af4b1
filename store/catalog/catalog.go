// Package catalog is what a cluster knows of its domains: it turns Swagger 2.0
// documents into checked domains and back (Parse, Export), and it is the
// replicated state that keeps every domain's draft and deployed revision
// (State, Command).
//
// The package is pure. It reads no clock, does no I/O and depends on no map
// order, so that every node comes to the same bytes.
package catalog

import "github.com/tollgate/tollgate/store/quota"

// Bounds of a domain. Documents beyond them are refused by Parse, commands
// beyond them by Command.Check. They may be raised later, never lowered: the
// Raft log holds commands that were checked against the old ones.
const (
	// MaxDocumentBytes bounds a document as it is sent and as it is stored.
	MaxDocumentBytes = 8 << 20
	// MaxDepth bounds how deep objects and arrays of a document may nest.
	MaxDepth = 100
	// MaxKeyBytes bounds a domain's key.
	MaxKeyBytes = 64
	// MaxNameRunes bounds a domain's name, in characters.
	MaxNameRunes = 256
	// MaxPatternBytes bounds an endpoint's path pattern.
	MaxPatternBytes = 1024
	// MaxEndpoints bounds the endpoints of one domain.
	MaxEndpoints = 20_000
	// MaxConditions bounds the quota conditions of one domain with its
	// endpoints.
	MaxConditions = 40_000
	// MaxQuotaConditions bounds the conditions of a single quota.
	MaxQuotaConditions = 32
	// MaxQuota is the largest maxUsageQuota, in calls.
	MaxQuota = 1_000_000_000_000
	// MaxResetSeconds is the largest resetTimeSeconds: 365 days.
	MaxResetSeconds = 31_536_000
)

// Draft is a checked document on its way into the catalogue.
type Draft struct {
	Key  string
	Name string
	// Endpoints is their number, for lists.
	Endpoints int
	// Document is Document.JSON. The catalogue keeps it: it is read-only.
	Document []byte
	// Size is 0, or the bytes of the document if Document is compressed
	// (Command.Pack).
	Size int
	// Conditions are Domain.Conditions, in force once the draft is deployed.
	Conditions []quota.Condition
	// SingleUse is the clockSkew, in seconds, of signatures that are good once; 0: they
	// are not.
	SingleUse uint32
}

// IsPlain reports whether the draft needs no rules beyond the second.
func (d *Draft) IsPlain() bool { return isPlain(d.Conditions) && d.SingleUse == 0 }

// Revision is one saved state of a domain. Its slices are read-only.
type Revision struct {
	// Number counts the saved drafts of a domain from 1. A domain that was
	// deleted and made anew counts from 1 again.
	Number uint64
	// Serial counts the saved drafts of the whole catalogue from 1 and is
	// never used twice: what is cached per revision is cached under it.
	Serial uint64
	// Document is the document as it is kept; Revision.JSON is what was saved.
	Document []byte
	// Size is 0, or the bytes of the document if Document is compressed.
	Size int
	// Conditions are the quota conditions the document configures, SingleUse is as in
	// a Draft.
	Conditions []quota.Condition
	SingleUse  uint32
}

// Entry is one domain of the catalogue.
type Entry struct {
	Key  string
	Name string // of the draft
	// Draft is the newest saved revision.
	Draft Revision
	// Deployed is what is live; Number is 0 when nothing is.
	Deployed Revision
	// Endpoints is the number of the draft's endpoints.
	Endpoints int
	// History is the saved drafts, the newest, which is Draft, last. It is empty where
	// nothing was saved since there are histories.
	History []Past
}

// Summary is one line of the list of domains.
type Summary struct {
	Key  string `json:"key"`
	Name string `json:"name"`
	// DraftRevision counts from 1; DeployedRevision is null when nothing is
	// deployed.
	DraftRevision    uint64  `json:"draftRevision"`
	DeployedRevision *uint64 `json:"deployedRevision"`
	Endpoints        int     `json:"endpoints"`
}
