package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
)

// Consumers is what the admin API needs of its node for the consumers of domains. Reads
// see every write that was answered before; a write returns once all members that answer
// go by it.
type Consumers interface {
	// Consumers lists up to n consumers of a domain behind an ID, sorted by ID.
	Consumers(ctx context.Context, domain, after string, n int) ([]*catalog.Consumer, error)
	// Consumer is one of them; ErrNoConsumer if there is none.
	Consumer(ctx context.Context, domain, id string) (*catalog.Consumer, error)
	// ChangeConsumer makes a change. Its errors are those of catalog.State and of
	// other changes.
	ChangeConsumer(ctx context.Context, c catalog.ConsumerCommand) error
}

// Bounds of the list of consumers.
const (
	defaultConsumers = 1000
	maxConsumers     = 10_000
)

func (s *server) listConsumers(r *request) (any, error) {
	key, err := r.domainKey()
	if err != nil {
		return nil, err
	}
	n := defaultConsumers
	if limit := r.query["limit"]; limit != "" {
		if n, err = strconv.Atoi(limit); err != nil || n < 1 || n > maxConsumers {
			return nil, wrong("the query", []catalog.Problem{{Path: "?limit", Message: "must be a whole number from 1 to 10000"}})
		}
	}
	list, err := s.Control.Consumers(r.Context(), key, r.query["after"], n)
	if err != nil {
		return nil, noDomain(key, err)
	}
	out := make([]api.Consumer, len(list))
	for i, c := range list {
		out[i] = newConsumer(c)
	}
	return out, nil
}

func newConsumer(c *catalog.Consumer) api.Consumer {
	out := api.Consumer{ID: c.ID, Name: c.Name, Plan: c.Plan, Keys: make([]api.Key, len(c.Keys))}
	for i, k := range c.Keys {
		out.Keys[i] = api.Key{Prefix: k.Prefix, CreatedAt: time.UnixMilli(k.Created).UTC().Format(timeForm)}
	}
	return out
}

// consumer is the domain and the consumer that the path names.
func (r *request) consumer() (key, id string, err error) {
	if key, err = r.domainKey(); err != nil {
		return "", "", err
	}
	id = r.PathValue("id")
	if fault := catalog.ConsumerFault(id); fault != "" {
		return "", "", refusal(http.StatusUnprocessableEntity, "no consumer can have the ID %q: it %s", printable(id), fault)
	}
	return key, id, nil
}

func (s *server) getConsumer(r *request) (any, error) {
	key, id, err := r.consumer()
	if err != nil {
		return nil, err
	}
	return s.shownConsumer(r, key, id)
}

func (s *server) shownConsumer(r *request, key, id string) (any, error) {
	c, err := s.Control.Consumer(r.Context(), key, id)
	if err != nil {
		return nil, noConsumer(key, id, err)
	}
	return newConsumer(c), nil
}

func (s *server) putConsumer(r *request) (any, error) {
	key, id, err := r.consumer()
	if err != nil {
		return nil, err
	}
	var name, plan, given *string
	problems, err := r.command(field{"id", &given}, field{"name", &name}, field{"plan", &plan})
	if err != nil {
		return nil, err
	}
	bad := func(path, message string) { problems = append(problems, catalog.Problem{Path: path, Message: message}) }
	put := catalog.ConsumerCommand{Op: catalog.PutConsumer, Domain: key, ID: id}
	if given != nil && *given != id {
		bad("$.id", "must be the ID of the path, or be left out")
	}
	if name != nil {
		if put.Name = *name; utf8.RuneCountInString(*name) > catalog.MaxNameRunes || !utf8.ValidString(*name) {
			bad("$.name", "must be up to 256 characters")
		}
	}
	if plan != nil {
		if put.Plan = *plan; len(*plan) > 64 {
			bad("$.plan", "must be up to 64 bytes")
		}
	}
	if problems != nil {
		return nil, wrong("the consumer", problems)
	}
	if err := s.Control.ChangeConsumer(r.Context(), put); err != nil {
		return nil, noConsumer(key, id, err)
	}
	return s.shownConsumer(r, key, id)
}

func (s *server) deleteConsumer(r *request) (any, error) {
	key, id, err := r.consumer()
	if err != nil {
		return nil, err
	}
	if err := s.Control.ChangeConsumer(r.Context(), catalog.ConsumerCommand{Op: catalog.DeleteConsumer, Domain: key, ID: id}); err != nil {
		return nil, noConsumer(key, id, err)
	}
	return api.DeletedConsumer{ID: id, Deleted: true}, nil
}

// keyPrefix begins every API key; shownPrefix is how much of a key names it.
const (
	keyPrefix   = "tg_"
	shownPrefix = len(keyPrefix) + 8
)

// newKey makes an API key: 32 random bytes in base62.
func newKey() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails (Go 1.24)
	text := new(big.Int).SetBytes(raw[:]).Text(62)
	return keyPrefix + strings.Repeat("0", 43-len(text)) + text
}

func (s *server) postKey(r *request) (any, error) {
	key, id, err := r.consumer()
	if err != nil {
		return nil, err
	}
	if problems, err := r.command(); err != nil {
		return nil, err
	} else if problems != nil {
		return nil, wrong("the new key", problems)
	}
	made := newKey()
	add := catalog.ConsumerCommand{Op: catalog.AddKey, Domain: key, ID: id, Prefix: made[:shownPrefix], Digest: sha256.Sum256([]byte(made))}
	if err := s.Control.ChangeConsumer(r.Context(), add); err != nil {
		return nil, noConsumer(key, id, err)
	}
	c, err := s.Control.Consumer(r.Context(), key, id)
	if err != nil {
		return nil, noConsumer(key, id, err)
	}
	for _, k := range newConsumer(c).Keys {
		if k.Prefix == add.Prefix {
			return api.NewKey{Key: made, Prefix: k.Prefix, CreatedAt: k.CreatedAt}, nil
		}
	}
	return nil, notFound("the key was taken away again")
}

func (s *server) deleteKey(r *request) (any, error) {
	key, id, err := r.consumer()
	if err != nil {
		return nil, err
	}
	prefix := r.PathValue("prefix")
	remove := catalog.ConsumerCommand{Op: catalog.DeleteKey, Domain: key, ID: id, Prefix: prefix}
	if err := remove.Check(); err != nil {
		return nil, notFound("the consumer %q has no key %q", id, printable(prefix))
	}
	if err := s.Control.ChangeConsumer(r.Context(), remove); err != nil {
		return nil, noConsumer(key, id, err)
	}
	return api.DeletedKey{Prefix: prefix, Deleted: true}, nil
}

// noConsumer gives the errors of consumers their text.
func noConsumer(key, id string, err error) error {
	switch {
	case errors.Is(err, catalog.ErrNoConsumer):
		return notFound("the domain %q has no consumer %q", key, id)
	case errors.Is(err, catalog.ErrNoKey):
		return notFound("the consumer %q has no such key", id)
	}
	return noDomain(key, err)
}
