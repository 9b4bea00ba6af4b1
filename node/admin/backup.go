package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store"
)

// Backups is what the admin API needs of its node to back up and restore.
type Backups interface {
	// Backup writes what the cluster has now, every write that was answered before
	// included. begin is called before the first byte is written.
	Backup(ctx context.Context, w io.Writer, begin func()) error
	// Restore puts a backup in the place of domains, quotas and consumers, and returns
	// once the members that answer serve it. pending are those that do not yet.
	Restore(ctx context.Context, b *store.Restorable) (index uint64, pending []string, err error)
}

// backupWrite bounds the writing of one part of a backup.
const backupWrite = 30 * time.Second

// restoreTimeout is for what a restore takes beside its body.
const restoreTimeout = time.Minute

// mountBackup serves a backup as a stream. It has no deadline as a whole: it takes as
// long as the client takes.
func (s *server) mountBackup() {
	s.mux.Handle(api.BackupPath, s.getOnly(func(w http.ResponseWriter, r *http.Request) {
		if err := s.permit(r, RoleAdmin, false); err != nil {
			s.refuse(w, r, err)
			return
		}
		if _, err := (params{}).read(r.URL.RawQuery); err != nil {
			s.refuse(w, r, err)
			return
		}
		control := http.NewResponseController(w)
		begun := false
		begin := func() {
			begun = true
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Disposition", `attachment; filename="tollgate.backup"`)
			w.WriteHeader(http.StatusOK)
		}
		if r.Method == http.MethodHead { // nothing is read of the cluster for it
			begin()
			return
		}
		err := s.Control.Backup(r.Context(), &paced{w, control}, begin)
		switch {
		case err != nil && !begun:
			s.refuse(w, r, err)
		case err != nil:
			// What was written ends before its sum: nobody takes it for whole.
			s.Logger.Error("a backup broke off", "error", err)
			panic(http.ErrAbortHandler)
		}
	}))
}

// paced is a response whose every part has a deadline of its own.
type paced struct {
	w       io.Writer
	control *http.ResponseController
}

func (p *paced) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(backupWrite))
	return p.w.Write(b)
}

// restore takes a backup. Over domains that are there it has to be confirmed.
func (s *server) restore(r *request) (any, error) {
	if given := r.Header.Get("Content-Type"); given != "" {
		if media, _, err := mime.ParseMediaType(given); err != nil || media != "application/octet-stream" {
			return nil, refusal(http.StatusUnsupportedMediaType, "Content-Type %s is not understood: send the backup as application/octet-stream", printable(given))
		}
	} else if r.Header.Get("Authorization") == "" { // a web page could send it
		return nil, refusal(http.StatusUnsupportedMediaType, "Content-Type is missing: send the backup as application/octet-stream")
	}
	domains, err := s.Control.Domains(r.Context())
	if err != nil {
		return nil, err
	}
	if len(domains) > 0 && !r.query.is("confirm") {
		return nil, refusal(http.StatusConflict, "the cluster has %d domains, which a restore replaces with all their quotas and consumers: confirm=true (--confirm) does so", len(domains))
	}
	control := http.NewResponseController(r.w)
	if control.SetReadDeadline(r.deadline) == nil {
		defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	}
	raw, err := io.ReadAll(http.MaxBytesReader(r.w, r.Body, store.MaxBackupBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, refusal(http.StatusRequestEntityTooLarge, "the backup is larger than %d bytes", store.MaxBackupBytes)
	case err != nil:
		return nil, refusal(http.StatusBadRequest, "the backup did not arrive whole: %v", err)
	}
	backup, err := store.ReadBackup(raw)
	if err != nil {
		return nil, refusal(http.StatusUnprocessableEntity, "%v", err)
	}
	index, pending, err := s.Control.Restore(r.Context(), backup)
	if err != nil {
		return nil, fmt.Errorf("the restore: %w", err)
	}
	if pending == nil {
		pending = []string{}
	}
	info := backup.Info
	return api.Restored{
		Index: index, Domains: info.Domains, Pending: pending, CreatedAt: info.CreatedAt.Format(timeForm),
		ClusterID: info.ClusterID, BackupIndex: info.Index, Digest: info.Digest,
	}, nil
}
