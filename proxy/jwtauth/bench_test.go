package jwtauth

import (
	"testing"
	"time"
)

func BenchmarkVerifyCached(b *testing.B) {
	v := New(secret, "joe", time.Minute)
	v.Remember(NewCache())
	sent := []byte("Bearer " + made(secret, typedHeader, expiring(time.Hour, `"iss":"joe"`, `"sub":"7"`, `"iat":1554076800`)))
	b.ReportAllocs()
	for b.Loop() {
		v.Verify(sent, at)
	}
}

func BenchmarkVerify(b *testing.B) {
	v := New(secret, "joe", time.Minute)
	for name, token := range map[string]string{
		"good":   made(secret, typedHeader, expiring(time.Hour, `"iss":"joe"`, `"sub":"7"`, `"iat":1554076800`)),
		"forged": made("other", typedHeader, expiring(time.Hour, `"iss":"joe"`)),
		"large":  padded(MaxTokenBytes, `"iss":"joe"`),
	} {
		b.Run(name, func(b *testing.B) {
			sent := []byte("Bearer " + token)
			b.ReportAllocs()
			for b.Loop() {
				v.Verify(sent, at)
			}
		})
	}
}
