//go:build !linux

package load

import "time"

// alarm sleeps as exactly as package time does.
type alarm struct{}

func newAlarm() (*alarm, error) { return &alarm{}, nil }

// sleep returns after d, if it is above zero.
func (a *alarm) sleep(d time.Duration) error {
	time.Sleep(d)
	return nil
}

func (a *alarm) close() {}
