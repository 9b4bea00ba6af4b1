package load

// history is the calls that one connection made on counters, in parts, so that
// one more never copies those before it.
type history struct {
	full [][]Call
	last []Call
}

// The lengths of parts: each is twice the one before.
const (
	firstPart   = 64
	longestPart = 8192
)

func (h *history) add(c Call) {
	if len(h.last) == cap(h.last) {
		next := firstPart
		if h.last != nil {
			h.full = append(h.full, h.last)
			next = min(2*len(h.last), longestPart)
		}
		h.last = make([]Call, 0, next)
	}
	h.last = append(h.last, c)
}

// calls is all histories in one. The callers keep none.
func calls(all []*caller) []Call {
	n := 0
	for _, c := range all {
		n += c.history.length()
	}
	list := make([]Call, 0, n)
	for _, c := range all {
		for _, part := range c.history.full {
			list = append(list, part...)
		}
		list = append(list, c.history.last...)
		c.history = history{}
	}
	return list
}

func (h *history) length() int {
	n := len(h.last)
	for _, part := range h.full {
		n += len(part)
	}
	return n
}
