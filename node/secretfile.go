package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ReadSecretFile reads a file that holds a secret, of at most limit bytes: a
// bigger one is the wrong file. One that everybody on the machine can read or
// write is refused, with the command that mends it; its group may (Kubernetes
// and systemd hand secrets out so).
func ReadSecretFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, pathOnce(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// What is no regular file is a pipe of the shell, or no secret at all.
	if perm := info.Mode().Perm(); info.Mode().IsRegular() && perm&0o006 != 0 {
		return nil, fmt.Errorf("%s: everybody on this machine can read or change it (mode %04o): chmod o-rw %s", path, perm, path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(raw)) > limit:
		return nil, fmt.Errorf("%s: is larger than %d bytes: is it the right file?", path, limit)
	}
	return raw, nil
}

// readFile reads a file that is no secret.
func readFile(path string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	return raw, pathOnce(path, err)
}

// pathOnce is an error of a file with its path before it, once.
func pathOnce(path string, err error) error {
	if err == nil {
		return nil
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}
