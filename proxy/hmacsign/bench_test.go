package hmacsign

import (
	"testing"
	"time"
)

func BenchmarkVerify(b *testing.B) {
	v := New(secret, time.Minute)
	target, timestamp, signature := []byte(target), []byte(timestamp), []byte(signature)
	b.ReportAllocs()
	for b.Loop() {
		if v.Verify("GET", target, timestamp, signature, instant) != OK {
			b.Fatal("refused")
		}
	}
}

func BenchmarkParseTimestamp(b *testing.B) {
	text := []byte("2016-07-23T12:20:02.123+09:00")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ParseTimestamp(text); !ok {
			b.Fatal("refused")
		}
	}
}
