package quota

// slab gives out short lists, many of which are one allocation.
type slab[T any] struct {
	free []T
	room int // of the next allocation, in elements
}

const leastRoom, mostRoom = 8, 128

// take gives out a list of n zero elements; nil if n is 0.
func (s *slab[T]) take(n int) []T {
	if n == 0 {
		return nil
	}
	if n > len(s.free) {
		s.room = max(s.room, n, leastRoom)
		s.free = make([]T, s.room)
		s.room = min(2*s.room, mostRoom)
	}
	list := s.free[:n:n]
	s.free = s.free[n:]
	return list
}
