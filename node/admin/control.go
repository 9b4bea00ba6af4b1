package admin

import (
	"context"
	"errors"

	"github.com/tollgate/tollgate/cluster"
	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/proxy"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// Errors a Control answers with, beside *Refusal. They may be wrapped. They are
// those of the rooms below, so that a node passes on what it is told.
var (
	// ErrNotFound: no such domain or revision. 404.
	ErrNotFound = catalog.ErrNotFound
	// ErrNoMember: no such member. 404.
	ErrNoMember = cluster.ErrNoMember
	// ErrPrecondition: the domain's draft is not as If-Match or If-None-Match
	// says. 412.
	ErrPrecondition = catalog.ErrPrecondition
	// ErrNoLeader: nothing was changed, there is no leader now. 503.
	ErrNoLeader = store.ErrNoLeader
	// ErrUnknownOutcome: the change may or may not have happened. 503.
	ErrUnknownOutcome = store.ErrUnknownOutcome
	// ErrNotServing: the node has not caught up, and so has nothing to say of
	// what it serves. 503.
	ErrNotServing = errors.New("this node serves nothing yet: it is still catching up with the cluster")
)

// Refusal is a request that was understood and refused; nothing was changed.
// It is 409 for a conflict with what is, else 422.
type Refusal = cluster.Refusal

// Control is what the admin API needs of its node. Methods may be called at
// the same time from many goroutines; each returns by ctx's deadline. Reads of
// domains and quotas see every write that was answered, on any node, before
// the read began. Who asks stands in the context (Origin).
type Control interface {
	// Cluster tells what this node knows; it needs no quorum.
	Cluster(ctx context.Context) api.ClusterStatus
	// Self tells what this node is; it needs no quorum.
	Self() api.Self
	// Join adds a member: reachability, non-voter, caught up, then voter. It
	// is nil too when m was a member in this form before. m is well formed.
	Join(ctx context.Context, m api.NewMember) error
	// Leave removes a member, the leader and this node included.
	Leave(ctx context.Context, id string) error
	// Transfer hands leadership to the member id, or to any voter if empty.
	Transfer(ctx context.Context, id string) error

	// Domains lists all domains, sorted by key.
	Domains(ctx context.Context) ([]catalog.Summary, error)
	// Domain is one domain's draft and deployed revision.
	Domain(ctx context.Context, key string) (catalog.Entry, error)
	// PutDomain stores a checked document as the draft of its key. What else
	// it does is said by opts.
	PutDomain(ctx context.Context, doc *catalog.Document, opts PutOptions) (Saved, error)
	// DeployDomain makes a revision live, the draft if it is 0, and returns once
	// this node serves it. cond is checked in the same command. ErrNoRevision of the
	// catalogue is one more error of it.
	DeployDomain(ctx context.Context, key string, revision uint64, cond catalog.Precondition) (Saved, error)
	// DeleteDomain removes a domain with its quota. cond is checked in the
	// same command.
	DeleteDomain(ctx context.Context, key string, cond catalog.Precondition) error
	// Quota reads the conditions of a deployed domain.
	Quota(ctx context.Context, key string) ([]quota.Reading, error)
	Quotas
	Consumers
	Events
	Audit
	Backups
	Stats

	// Explain tells what this node would do with a request, by what it serves
	// now, or ErrNotServing. It calls nobody, counts nothing and needs no
	// quorum; nothing in it is secret.
	Explain(ctx context.Context, r proxy.ExplainRequest) (proxy.Explanation, error)

	// Ready returns a line for each check of readiness, failed ones with a
	// reason, and whether all passed.
	Ready() (checks []Check, ready bool)
}

// PutOptions changes what PutDomain does.
type PutOptions struct {
	// Deploy makes the draft live in the same command; PutDomain returns
	// once this node serves it.
	Deploy bool
	// MustBeNew refuses a key that is taken, with a Refusal that is a
	// conflict, in the same command as well: two clones to one key must not
	// both succeed.
	MustBeNew bool
	// If must hold of the draft, in the same command as well; else
	// ErrPrecondition, before MustBeNew is looked at.
	If catalog.Precondition
	// Note is kept with the revision.
	Note string
}

// Saved is what a change of a domain came to.
type Saved struct {
	// Revision was saved or deployed; Serial is the draft's, which no other
	// draft of this cluster ever had or will have.
	Revision, Serial uint64
	// Pending are the members that did not serve it yet when the answer was
	// given, though they can be reached.
	Pending []string
}

// Check is one line of /readyz.
type Check struct {
	Name string
	// Problem is empty when the check passes.
	Problem string
	// Note is what people should know although the check passes; it may be empty.
	Note string
}
