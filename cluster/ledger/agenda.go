package ledger

import "container/heap"

// agenda is the holdings that have a lease, by when they are to be looked after: a heap. One
// that has become due earlier than thought has two visits, the later of which is void.
type agenda []visit

// visit is of a holding that is to be looked after at a time, mono ns.
type visit struct {
	at int64
	*holding
}

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at < a[j].at }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(v any)        { *a = append(*a, v.(visit)) }

func (a *agenda) Pop() any {
	last := len(*a) - 1
	v := (*a)[last]
	(*a)[last] = visit{}
	*a = (*a)[:last]
	return v
}

// add has a holding looked after at a time, mono ns, unless it is to be earlier.
func (a *agenda) add(h *holding, at int64) {
	if h.visit == 0 || at < h.visit {
		h.visit = at
		heap.Push(a, visit{at, h})
	}
}

// next takes a holding out that is to be looked after by now, mono ns; nil if there is none.
func (a *agenda) next(now int64) *holding {
	for len(*a) > 0 && (*a)[0].at <= now {
		if v := heap.Pop(a).(visit); v.at == v.holding.visit {
			v.holding.visit = 0
			return v.holding
		}
	}
	return nil
}
