package body

import (
	"net/netip"
	"sync"
)

// Budget is how many bytes of memory bodies may hold, together and for each
// client. Its methods may be called at the same time.
type Budget struct {
	total, each int64

	mu      sync.Mutex
	held    int64
	clients map[netip.Addr]int64
}

// NewBudget makes a Budget of so many bytes in all, and for one client.
func NewBudget(total, each int64) *Budget {
	return &Budget{total: total, each: each, clients: make(map[netip.Addr]int64)}
}

// Take takes n bytes for a client, or reports that it may not have them.
func (b *Budget) Take(client netip.Addr, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	has := b.clients[client]
	if b.held+int64(n) > b.total || has+int64(n) > b.each {
		return false
	}
	b.held += int64(n)
	b.clients[client] = has + int64(n)
	return true
}

// Give gives back what a client has taken.
func (b *Budget) Give(client netip.Addr, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held -= int64(n)
	if left := b.clients[client] - int64(n); left > 0 {
		b.clients[client] = left
	} else {
		delete(b.clients, client)
	}
}

// Held is how many bytes are taken.
func (b *Budget) Held() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held
}

// Of is the account of one client; the zero Addr is one like any other.
func (b *Budget) Of(client netip.Addr) Account { return Account{b, client} }

// Account is one client's side of a Budget.
type Account struct {
	budget *Budget
	client netip.Addr
}

// Take takes n bytes, or reports that it may not have them.
func (a Account) Take(n int) bool { return a.budget.Take(a.client, n) }

// Give gives n bytes back.
func (a Account) Give(n int) { a.budget.Give(a.client, n) }
