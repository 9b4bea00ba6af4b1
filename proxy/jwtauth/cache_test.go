package jwtauth

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// counted is a Verifier with a cache, and what of it is known there.
func counted(c *Cache) (v *Verifier, known func(token string, now time.Time) bool) {
	v = New(secret, "", time.Minute)
	v.Remember(c)
	return v, func(token string, now time.Time) bool {
		d, _ := v.id.digest(nil, []byte(token))
		return c.has(&d, now.Unix())
	}
}

// TestCacheLives: a token is good from its nbf until its exp, with the leeway of
// both, to the second, whether it is remembered or not.
func TestCacheLives(t *testing.T) {
	v, known := counted(NewCache())
	slow := New(secret, "", time.Minute)
	token := made(secret, typedHeader, fmt.Sprintf(`{"exp":%d.5,"nbf":%d.5}`, at.Unix()+3600, at.Unix()))
	if v.Verify([]byte(token), at.Add(time.Hour/2)) != OK || !known(token, at.Add(time.Hour/2)) {
		t.Fatal("it is not remembered")
	}
	for _, from := range []time.Time{at.Add(-time.Minute), at.Add(time.Hour + time.Minute)} {
		for half := -10; half <= 10; half++ {
			now := from.Add(time.Duration(half) * time.Second / 4)
			if got, want := v.Verify([]byte(token), now), slow.Verify([]byte(token), now); got != want {
				t.Errorf("at %v: %v, want %v", now.Sub(at), got, want)
			}
		}
	}
}

// TestCacheIsOfOne: what one Verifier has found good is nothing to another, and
// what is not good is not remembered.
func TestCacheIsOfOne(t *testing.T) {
	c := NewCache()
	v, known := counted(c)
	_, others := counted(c)
	token := made(secret, typedHeader, expiring(time.Hour))
	v.Verify([]byte("Bearer "+token), at)
	if !known(token, at) || others(token, at) {
		t.Errorf("known to the one %v, to the other %v", known(token, at), others(token, at))
	}
	for name, bad := range map[string]string{
		"forged": made("other", typedHeader, expiring(time.Hour)), "expired": made(secret, typedHeader, expiring(-time.Hour)),
	} {
		if v.Verify([]byte(bad), at) == OK || known(bad, at) {
			t.Errorf("%s: remembered", name)
		}
	}
	other := New("other", "", time.Minute)
	other.Remember(c)
	if got := other.Verify([]byte(token), at); got != Invalid {
		t.Errorf("another key: %v", got)
	}
}

// TestCacheUnderFlood: tokens that come again and again stay remembered while
// others come once, more than there is room for by far.
func TestCacheUnderFlood(t *testing.T) {
	c := NewCache()
	v, known := counted(c)
	var good []string
	for i := range 1000 {
		good = append(good, made(secret, typedHeader, expiring(time.Hour, fmt.Sprintf(`"sub":"%d"`, i))))
	}
	for range 3 {
		for _, token := range good {
			if v.Verify([]byte(token), at) != OK {
				t.Fatal("refused")
			}
		}
	}
	until := at.Add(time.Hour).Unix()
	for i := range 20 * CacheTokens {
		d, _ := v.id.digest(nil, fmt.Appendf(nil, "hostile %d", i))
		c.add(&d, 0, until, at.Unix())
	}
	lost := 0
	for _, token := range good {
		if !known(token, at) {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d tokens are forgotten", lost, len(good))
	}
	// A newcomer that comes often gets in all the same.
	fresh := made(secret, typedHeader, expiring(time.Hour, `"sub":"fresh"`))
	for i := 0; !known(fresh, at); i++ {
		if i == 1000 {
			t.Fatal("a token that comes often is never remembered")
		}
		v.Verify([]byte(fresh), at)
	}
}

// TestCacheManyAtOnce: many may ask at the same time.
func TestCacheManyAtOnce(t *testing.T) {
	v, _ := counted(NewCache())
	good, bad := made(secret, typedHeader, expiring(time.Hour)), made("other", typedHeader, expiring(time.Hour))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				if v.Verify([]byte(good), at) != OK || v.Verify([]byte(bad), at) != Invalid {
					t.Error("wrong")
				}
			}
		})
	}
	wg.Wait()
}
