// Package api is the admin API (spec section 11) as both of its ends know it:
// paths, bodies and answers, and the client.
package api

import (
	"encoding/json"
	"net/url"

	"github.com/tollgate/tollgate/store/catalog"
)

// Paths of the calls.
const (
	ClusterPath = "/v1/cluster"
	// SelfPath is where a node says what it is, to nodes that know only its admin
	// URL.
	SelfPath     = "/v1/cluster/self"
	JoinPath     = "/v1/cluster/join"
	LeavePath    = "/v1/cluster/leave"
	TransferPath = "/v1/cluster/transfer"
	DomainsPath  = "/v1/domains"
	ExplainPath  = "/v1/explain"
	WhoamiPath   = "/v1/whoami"
	HealthPath   = "/healthz"
	ReadyPath    = "/readyz"
	MetricsPath  = "/metrics"
)

// DomainPath is the path of one domain.
func DomainPath(key string) string { return DomainsPath + "/" + url.PathEscape(key) }

// DeployPath is where a domain's draft is made live.
func DeployPath(key string) string { return DomainPath(key) + "/deploy" }

// ClonePath is where a domain is copied.
func ClonePath(key string) string { return DomainPath(key) + "/clone" }

// DiffPath is where draft and live document of a domain are compared.
func DiffPath(key string) string { return DomainPath(key) + "/diff" }

// RevisionsPath is where a domain's revisions are.
func RevisionsPath(key string) string { return DomainPath(key) + "/revisions" }

// ConsumersPath is where a domain's consumers are.
func ConsumersPath(key string) string { return DomainPath(key) + "/consumers" }

// ConsumerPath is one consumer.
func ConsumerPath(key, id string) string { return ConsumersPath(key) + "/" + url.PathEscape(id) }

// KeysPath is where a consumer's keys are made.
func KeysPath(key, id string) string { return ConsumerPath(key, id) + "/keys" }

// QuotaPath is where a domain's quotas are read.
func QuotaPath(key string) string { return DomainPath(key) + "/quota" }

// StatsPath is where a domain's statistics are.
func StatsPath(key string) string { return DomainPath(key) + "/stats" }

// NewMember is the body of a join.
type NewMember struct {
	ID             string `json:"id"`
	ClusterAddress string `json:"clusterAddress"`
	AdminAddress   string `json:"adminAddress"`
	ProxyAddress   string `json:"proxyAddress"`
	Voter          bool   `json:"voter"`
}

// MemberID is the body of a leave and of a transfer, where it may be empty.
type MemberID struct {
	ID string `json:"id,omitempty"`
}

// ClusterStatus is the answer of GET /v1/cluster, and of a join, leave and
// transfer.
type ClusterStatus struct {
	ClusterID string         `json:"clusterId"`
	Leader    string         `json:"leader"` // empty while none is known
	Term      uint64         `json:"term"`
	Members   []MemberStatus `json:"members"`
}

// MemberStatus is one member as seen from the answering node.
type MemberStatus struct {
	ID    string `json:"id"`
	Voter bool   `json:"voter"`
	// Role is "leader", "follower", "candidate", "nonvoter" or "unknown".
	Role           string `json:"role"`
	ClusterAddress string `json:"clusterAddress"`
	AdminAddress   string `json:"adminAddress"`
	ProxyAddress   string `json:"proxyAddress"`
	Reachable      bool   `json:"reachable"`
	AppliedIndex   uint64 `json:"appliedIndex"`
	// Version is the release that it runs, Rules is the newest number of the log's
	// rules that it knows; empty and 0 while it cannot be reached.
	Version string `json:"version"`
	Rules   uint32 `json:"rules"`
	// ClockAheadSeconds is how far the member's clock is ahead of the answering node's.
	// It is told where clocks=true asks for it, of a member that can be reached.
	ClockAheadSeconds *float64 `json:"clockAheadSeconds,omitempty"`
}

// Self is what a node is to others, whether it belongs to a cluster or not.
type Self struct {
	ID string `json:"id"`
	// ClusterID is empty for a node of no cluster.
	ClusterID string `json:"clusterId"`
	// Fresh is true for a node without any state.
	Fresh          bool   `json:"fresh"`
	ClusterAddress string `json:"clusterAddress"`
	AdminAddress   string `json:"adminAddress"`
	ProxyAddress   string `json:"proxyAddress"`
}

// Whoami is who the token of a call belongs to. Name is empty where no tokens are asked for.
type Whoami struct {
	Name string `json:"name"`
	Role string `json:"role"`
}

// Saved is the answer to what changed a domain.
type Saved struct {
	Key string `json:"key"`
	// Revision is 0 after a dry run: nothing was saved.
	Revision uint64 `json:"revision"`
	// Deployed tells whether this revision is live now.
	Deployed bool              `json:"deployed"`
	Warnings []catalog.Problem `json:"warnings"`
	// Pending are the members that did not serve it yet, though they can be
	// reached; empty where nothing was deployed.
	Pending []string `json:"pending"`
	// Unchanged tells, where a dry run is asked for the difference, that draft
	// and live document are this one already; Diff is then what a deploy of it
	// would change.
	Unchanged *bool `json:"unchanged,omitempty"`
	Diff      *Diff `json:"diff,omitempty"`
}

// Revision is one saved draft of a domain.
type Revision struct {
	Revision uint64 `json:"revision"`
	// At is when it was saved, Name who did, Note what was said of it; empty where
	// that was not written down.
	At   string `json:"at"`
	Name string `json:"name"`
	Note string `json:"note"`
	// Deployed tells whether it is live.
	Deployed bool `json:"deployed"`
}

// RevisionDiff is the answer of GET …/diff?from=&to=, as Diff.
type RevisionDiff struct {
	Key       string           `json:"key"`
	From      uint64           `json:"from"`
	To        uint64           `json:"to"`
	Equal     bool             `json:"equal"`
	Changes   []RevisionChange `json:"changes"`
	Truncated bool             `json:"truncated"`
}

// RevisionChange is a place where two revisions differ, as Change.
type RevisionChange struct {
	Path string          `json:"path"`
	From json.RawMessage `json:"from,omitempty"`
	To   json.RawMessage `json:"to,omitempty"`
}

// Audit is one change that somebody made.
type Audit struct {
	At      string `json:"at"`
	Name    string `json:"name"`
	Role    string `json:"role"`
	Address string `json:"address"`
	Action  string `json:"action"`
	// Domain is the domain's key, or the member's ID, or empty. Revision is 0 where
	// the change was of none.
	Domain   string `json:"domain"`
	Revision uint64 `json:"revision"`
}

// RollBack is the body of a deploy; 0 is the draft.
type RollBack struct {
	Revision uint64 `json:"revision,omitempty"`
}

// Deleted is the answer to a deletion.
type Deleted struct {
	Key     string `json:"key"`
	Deleted bool   `json:"deleted"`
}

// NewDomain is the body of a clone. A Name of nil is that of the original.
type NewDomain struct {
	Key  string  `json:"key"`
	Name *string `json:"name,omitempty"`
}

// Quota is the answer of GET …/quota.
type Quota struct {
	Conditions []Condition `json:"conditions"`
	// Top are the callers who have used most of each condition with by, where they were
	// asked for.
	Top []Caller `json:"top,omitempty"`
}

// Caller is one caller of a condition.
type Caller struct {
	Endpoint *string `json:"endpoint"`
	By       string  `json:"by"`
	// Window is resetTimeSeconds, or the period's unit.
	Window any `json:"window"`
	// Caller is whose it is, where that is known: the log has digests alone.
	Caller string `json:"caller,omitempty"`
	Digest string `json:"digest"`
	Used   uint64 `json:"used"`
	// WindowMax is the maximum of the caller's window, WindowID its name.
	WindowMax    uint64 `json:"windowMax"`
	WindowID     int64  `json:"windowId"`
	WindowEndsAt string `json:"windowEndsAt"`
}

// BackupPath is a backup of the cluster, RestorePath takes one.
const (
	BackupPath  = "/v1/backup"
	RestorePath = "/v1/restore"
)

// Restored is the answer to a restore.
type Restored struct {
	// Index is the entry of the log that put the backup in.
	Index   uint64 `json:"index"`
	Domains int    `json:"domains"`
	// Pending are the members that do not serve it yet, though they can be reached.
	Pending []string `json:"pending"`
	// CreatedAt, ClusterID, BackupIndex and Digest say what the backup is of.
	CreatedAt   string `json:"createdAt"`
	ClusterID   string `json:"clusterId"`
	BackupIndex uint64 `json:"backupIndex"`
	Digest      string `json:"digest"`
}

// AuditPath is who did what.
const AuditPath = "/v1/audit"

// EventsPath streams events.
const EventsPath = "/v1/events"

// Event is what has happened to a quota. Its Type is quotaAlert: a window has come to a
// part of its maximum; or quotaCallers: there are more callers than maxCallers, and new
// ones share a counter.
type Event struct {
	Type     string  `json:"type"`
	Domain   string  `json:"domain"`
	Endpoint *string `json:"endpoint"`
	// Window is resetTimeSeconds, or the period's unit.
	Window any    `json:"window"`
	By     string `json:"by,omitempty"`
	Shadow bool   `json:"shadow,omitempty"`
	// CallerDigest stands for the caller: the log knows no more of one.
	CallerDigest  string `json:"callerDigest,omitempty"`
	Percent       int    `json:"percent"`
	Used          uint64 `json:"used"`
	MaxUsageQuota uint64 `json:"maxUsageQuota"`
	WindowID      int64  `json:"windowId"`
	WindowEndsAt  string `json:"windowEndsAt"`
}

// QuotaChanged is the answer to a reset or an adjustment.
type QuotaChanged struct {
	Key   string `json:"key"`
	Reset bool   `json:"reset,omitempty"`
	Added int64  `json:"added,omitempty"`
}

// Consumer is who calls a domain with an API key.
type Consumer struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Plan string `json:"plan"`
	Keys []Key  `json:"keys"`
}

// Key is an API key without its secret.
type Key struct {
	Prefix    string `json:"prefix"`
	CreatedAt string `json:"createdAt"`
}

// NewKey is the answer to the making of a key: it is shown this once.
type NewKey struct {
	Key       string `json:"key"`
	Prefix    string `json:"prefix"`
	CreatedAt string `json:"createdAt"`
}

// DeletedConsumer and DeletedKey are the answers to deletions.
type (
	DeletedConsumer struct {
		ID      string `json:"id"`
		Deleted bool   `json:"deleted"`
	}
	DeletedKey struct {
		Prefix  string `json:"prefix"`
		Deleted bool   `json:"deleted"`
	}
)

// Condition is one quota of a domain.
type Condition struct {
	// Endpoint is the method and the pattern, such as "GET /items/{id}"; null for
	// a condition of the whole domain.
	Endpoint         *string `json:"endpoint"`
	MaxUsageQuota    uint64  `json:"maxUsageQuota"`
	ResetTimeSeconds uint32  `json:"resetTimeSeconds"`
	// Used is the calls that the running window counts, at most MaxUsageQuota; 0
	// while no window runs.
	Used uint64 `json:"used"`
	// WindowEndsAt and Phase are null when no window runs.
	WindowEndsAt *string `json:"windowEndsAt"`
	// Leased is what nodes hold and may spend, Pool what nobody has, Lost the
	// part of Used that lost nodes held.
	Leased uint64  `json:"leased"`
	Pool   uint64  `json:"pool"`
	Phase  *string `json:"phase"`
	Lost   uint64  `json:"lost"`
	// Holders is how Leased is spread, by node, where holders=true asks for it.
	Holders map[string]uint64 `json:"holders,omitempty"`
	// Period is in place of ResetTimeSeconds, By what callers are told apart by, Caller
	// whose window it is, where one was asked for; Shadow: the condition only counts.
	Period *Period `json:"period,omitempty"`
	By     string  `json:"by,omitempty"`
	Caller string  `json:"caller,omitempty"`
	Shadow bool    `json:"shadow,omitempty"`
	// WindowID names the running window, and is null when none runs; WindowMax is its
	// maximum where that is not MaxUsageQuota.
	WindowID  *int64  `json:"windowId"`
	WindowMax *uint64 `json:"windowMax,omitempty"`
	// Reserved is the part of Used that calls have reserved and not settled.
	Reserved uint64 `json:"reserved,omitempty"`
	// Callers is how many callers are counted by themselves, Shared whether others
	// share a counter.
	Callers *int `json:"callers,omitempty"`
	Shared  bool `json:"shared,omitempty"`
}

// Period is a window of the calendar.
type Period struct {
	Unit     string `json:"unit"`
	TimeZone string `json:"timeZone"`
}

// Diff is the answer of GET …/diff.
type Diff struct {
	Key           string `json:"key"`
	DraftRevision uint64 `json:"draftRevision"`
	// DeployedRevision is null when nothing is live. Then there is nothing to
	// compare with: Equal is false and Changes empty.
	DeployedRevision *uint64 `json:"deployedRevision"`
	// Equal tells whether both are the same JSON; the order of an object's
	// members does not matter.
	Equal bool `json:"equal"`
	// Changes are sorted: members by name, items by their place.
	Changes []Change `json:"changes"`
	// Truncated tells that there are more changes than are listed.
	Truncated bool `json:"truncated"`
}

// Change is a place where draft and deployed document differ. The one in
// which the place does not exist is left out. Secrets are masked: a secret
// that changed shows the same mask twice.
type Change struct {
	Path     string          `json:"path"`
	Draft    json.RawMessage `json:"draft,omitempty"`
	Deployed json.RawMessage `json:"deployed,omitempty"`
}

// ExplainRequest is the body of POST /v1/explain.
type ExplainRequest struct {
	Method   string              `json:"method"`
	URL      string              `json:"url"`
	Headers  map[string][]string `json:"headers"`
	ClientIP string              `json:"clientIp,omitempty"`
}
