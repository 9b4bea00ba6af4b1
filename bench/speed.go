package bench

import (
	"crypto/sha256"
	"time"
)

// What the speed of the machine is measured by.
const (
	speedTime   = 100 * time.Millisecond
	speedBuffer = 64 << 10
)

// speed is how many MB a second one core hashes with SHA-256 at present. It is
// no figure of the gateway: what others on the machine take shows in it.
func speed() float64 {
	buf := make([]byte, speedBuffer)
	done := 0
	began := time.Now()
	for time.Since(began) < speedTime {
		sum := sha256.Sum256(buf)
		copy(buf, sum[:]) // so that no round is like another
		done += len(buf)
	}
	return float64(done) / 1e6 / time.Since(began).Seconds()
}
