package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tollgate/tollgate/store/wire"
)

// A backup is the replicated state in a file:
//
//	tollgate backup\n
//	a line of JSON: BackupInfo
//	the state, as in a snapshot, compressed (zstd)
//	32 bytes: SHA-256 of all that stands before

const (
	backupMagic = "tollgate backup\n"
	// backupFormat is the version of the file.
	backupFormat = 1
	// MaxBackupBytes bounds a backup, as a file and uncompressed.
	MaxBackupBytes = 2 << 30
	// maxBackupInfo bounds its line of JSON.
	maxBackupInfo = 64 << 10
)

// BackupInfo says what a backup is of.
type BackupInfo struct {
	Format int `json:"format"`
	// Version is the release that wrote it, Rules those of its state.
	Version string `json:"version"`
	Rules   Rules  `json:"rules"`
	// ClusterID and Index say of which cluster it is, and up to which entry.
	ClusterID string    `json:"clusterId"`
	Index     uint64    `json:"index"`
	CreatedAt time.Time `json:"createdAt"`
	// Digest is the SHA-256 of the state, as replicas compare it, and Size its bytes.
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
	// Domains is how many there are.
	Domains int `json:"domains"`
}

// Backup writes the state as it is now. It holds nobody up.
func (s *Store) Backup(w io.Writer, version string, now time.Time) (BackupInfo, error) {
	shot, err := s.machine.snapshot()
	if err != nil {
		return BackupInfo{}, err
	}
	digest := sha256.New()
	size, _ := shot.WriteTo(digest) // a hash refuses nothing
	info := BackupInfo{
		Format: backupFormat, Version: version, Rules: shot.rules, ClusterID: shot.clusterID, Index: shot.applied,
		CreatedAt: now.UTC().Truncate(time.Second), Digest: hex.EncodeToString(digest.Sum(nil)), Size: size, Domains: len(shot.catalog.Summaries()),
	}
	line, err := json.Marshal(info)
	if err != nil {
		return info, err
	}
	sum := sha256.New()
	all := io.MultiWriter(w, sum)
	if _, err := fmt.Fprintf(all, "%s%s\n", backupMagic, line); err != nil {
		return info, err
	}
	z, err := zstd.NewWriter(all, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return info, err
	}
	if _, err := shot.WriteTo(z); err != nil {
		_ = z.Close()
		return info, err
	}
	if err := z.Close(); err != nil {
		return info, err
	}
	_, err = w.Write(sum.Sum(nil))
	return info, err
}

// ErrDamaged: a backup is not as it was written. None of it is used.
var ErrDamaged = errors.New("the backup is damaged or cut off, and none of it is used")

// Restorable is a backup that was read and found whole.
type Restorable struct {
	Info BackupInfo
	// packed is the compressed state.
	packed []byte
}

// ReadBackup checks a backup from end to end. It keeps raw.
func ReadBackup(raw []byte) (*Restorable, error) {
	rest, ok := bytes.CutPrefix(raw, []byte(backupMagic))
	if !ok {
		return nil, errors.New("this is no backup of Tollgate")
	}
	line, rest, ok := bytes.Cut(rest, []byte("\n"))
	if !ok || len(line) > maxBackupInfo {
		return nil, ErrDamaged
	}
	r := &Restorable{}
	if err := json.Unmarshal(line, &r.Info); err != nil {
		return nil, ErrDamaged
	}
	if r.Info.Format != backupFormat {
		return nil, fmt.Errorf("the backup has the format %d, written by Tollgate %s: this release reads format %d", r.Info.Format, r.Info.Version, backupFormat)
	}
	if !KnownRules().Has(r.Info.Rules) {
		return nil, fmt.Errorf("the backup was written by Tollgate %s and has rules %d: this release knows %v; restore it with that release", r.Info.Version, r.Info.Rules, KnownRules())
	}
	if len(rest) < sha256.Size {
		return nil, ErrDamaged
	}
	end := len(raw) - sha256.Size
	if sum := sha256.Sum256(raw[:end]); !bytes.Equal(sum[:], raw[end:]) {
		return nil, ErrDamaged
	}
	r.packed = rest[:len(rest)-sha256.Size]
	state, err := unpackState(r.packed)
	if err != nil || int64(len(state)) != r.Info.Size {
		return nil, ErrDamaged
	}
	if sum := sha256.Sum256(state); hex.EncodeToString(sum[:]) != r.Info.Digest {
		return nil, ErrDamaged
	}
	if _, err := decodeState(state); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return r, nil
}

// unpackState is a state of a backup before it was compressed.
func unpackState(packed []byte) ([]byte, error) {
	z, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxBackupBytes))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	state, err := io.ReadAll(io.LimitReader(z, MaxBackupBytes+1))
	if err == nil && len(state) > MaxBackupBytes {
		err = errors.New("the state is too large")
	}
	return state, err
}

// RestorePiece is a part of a backup's compressed state on its way into the log.
type RestorePiece struct {
	// ID names the restore; Total is the size of the whole, Offset the place of Bytes.
	ID            string
	Total, Offset uint64
	Bytes         []byte
}

// Pieces are the parts of a restore, the first first.
func (r *Restorable) Pieces(id string, each func(RestorePiece) error) error {
	for at := 0; at < len(r.packed); at += pieceBytes {
		p := RestorePiece{ID: id, Total: uint64(len(r.packed)), Offset: uint64(at), Bytes: r.packed[at:min(at+pieceBytes, len(r.packed))]}
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

// ErrNoRestore: another restore began meanwhile, or this one took too long.
var ErrNoRestore = errors.New("the restore was given up: another one has begun, or it took too long")

// restoreTime is for how long, by cluster time in ms, a restore that nobody goes on with
// is kept.
const restoreTime = 10 * 60 * 1000

// restoring is a backup that has come in part. Its bytes are only ever appended to, so
// that snapshots may share them.
type restoring struct {
	id    string
	total uint64
	at    int64 // cluster time of the newest piece, ms
	bytes []byte
}

// addRestore takes a piece in. One that has come before changes nothing, so that it may
// be sent again.
func (s *state) addRestore(p RestorePiece) error {
	r := s.restoring
	if p.Offset == 0 && (r == nil || r.id != p.ID) {
		r = &restoring{id: p.ID, total: p.Total}
	}
	switch {
	case r == nil, r.id != p.ID, r.total != p.Total, p.Offset > uint64(len(r.bytes)):
		return ErrNoRestore
	case p.Offset < uint64(len(r.bytes)):
		return nil
	}
	// A new value: a snapshot may have the old one.
	s.restoring = &restoring{r.id, r.total, s.quota.Now(), append(r.bytes, p.Bytes...)}
	return nil
}

// restore puts what has come in the place of domains, quotas and consumers. Who is a
// member, the cluster's ID, the rules and the audit stay.
func (s *state) restore(id string) error {
	r := s.restoring
	if r == nil || r.id != id || uint64(len(r.bytes)) != r.total {
		return ErrNoRestore
	}
	s.restoring = nil
	raw, err := unpackState(r.bytes)
	if err != nil {
		return ErrDamaged
	}
	from, err := decodeState(raw)
	if err != nil {
		return ErrDamaged
	}
	s.catalog.Replace(from.catalog)
	s.quota.Replace(from.quota)
	return nil
}

// dropRestore drops a restore that nobody goes on with.
func (s *state) dropRestore() {
	if s.restoring != nil && s.quota.Now()-s.restoring.at > restoreTime {
		s.restoring = nil
	}
}

// WriteTo implements io.WriterTo; it writes nothing of nil:
//
//	id:s total:u at:u bytes:s
func (r *restoring) WriteTo(w io.Writer) (int64, error) {
	if r == nil {
		return 0, nil
	}
	b := wire.AppendUints(wire.AppendString(nil, r.id), r.total, uint64(r.at), uint64(len(r.bytes)))
	n, err := w.Write(b)
	if err != nil {
		return int64(n), err
	}
	m, err := w.Write(r.bytes)
	return int64(n + m), err
}

func decodeRestoring(b []byte) (*restoring, error) {
	if len(b) == 0 {
		return nil, nil
	}
	r := wire.NewReader(b)
	got := &restoring{id: r.String("restore", 0, maxAddressBytes), total: r.Uint("total", 1, MaxBackupBytes), at: int64(r.Uint("at", 0, math.MaxInt64))}
	got.bytes = bytes.Clone(r.Bytes("bytes", 0, int(got.total)))
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("a restore: %w", err)
	}
	return got, nil
}
