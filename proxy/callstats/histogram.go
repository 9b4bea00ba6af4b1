package callstats

import (
	"math/bits"
	"time"
)

// A time in µs has its bucket by its five leading bits: buckets of octave 0 are 1 µs
// wide, those of each further octave twice as wide as those of the one before. So a
// bucket is at most 1/16 of its times wide. Histograms with the same buckets add up.
const (
	// octaves end at 2^36 µs, 19 hours; what takes longer counts as that.
	octaves = 33
	// perOctave is how many buckets an octave has: as 32-bit counters, a line of a
	// CPU's cache.
	perOctave = 16
	maxMicros = 1<<36 - 1

	// Buckets is how many buckets there are.
	Buckets = octaves * perOctave
)

// bucketOf is the bucket of a time in µs.
func bucketOf(micros uint64) int {
	micros = min(micros, maxMicros)
	octave := max(0, bits.Len64(micros)-4) // of the five bits, the first is always set from octave 1 on
	if octave == 0 {
		return int(micros)
	}
	return octave*perOctave + int(micros>>(octave-1)) - perOctave
}

// middle is the time in the middle of a bucket.
func middle(bucket int) time.Duration {
	octave, rest := bucket/perOctave, bucket%perOctave
	if octave == 0 {
		return time.Duration(rest) * time.Microsecond
	}
	low := uint64(perOctave+rest) << (octave - 1)
	width := uint64(1) << (octave - 1)
	return time.Duration(low)*time.Microsecond + time.Duration(width-1)*time.Microsecond/2
}
