package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
)

// Restore puts a backup in the place of the domains, quotas and consumers, and returns
// once this node has applied it. Its pieces may be sent again while leaders move. Errors
// are those of Apply, and store.ErrNoRestore.
func (c *Cluster) Restore(ctx context.Context, backup *store.Restorable, by catalog.Origin) (Applied, error) {
	id := uuid.NewString()
	err := backup.Pieces(id, func(p store.RestorePiece) error {
		return c.patiently(ctx, store.Command{Kind: store.KindRestorePiece, Restore: p})
	})
	if err != nil {
		return Applied{}, err
	}
	return c.Apply(ctx, store.Command{Kind: store.KindRestore, Restore: store.RestorePiece{ID: id}, By: by})
}

// patiently applies a command that does no harm if it is applied twice.
func (c *Cluster) patiently(ctx context.Context, cmd store.Command) error {
	for {
		_, err := c.Apply(ctx, cmd)
		if !errors.Is(err, store.ErrNoLeader) && !errors.Is(err, store.ErrUnknownOutcome) || ctx.Err() != nil {
			return err
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		pause.Stop()
	}
}
