package cluster

import (
	"context"
	"errors"
	"reflect"
	"testing"
)

// TestStats: a member that cannot answer is missing, and what one refuses is refused.
func TestStats(t *testing.T) {
	t.Parallel()
	c := testCluster(t)
	q := StatsQuery{Domain: "shop", Endpoint: "GET /a", From: 60, To: 120, Step: 60}
	if answers, missing, err := c.Stats(t.Context(), q); len(answers) > 0 || !reflect.DeepEqual(missing, []string{"n1"}) || err != nil {
		t.Errorf("before it has any: %q, %v, %v", answers, missing, err)
	}
	var fail error
	c.StatsBy(func(_ context.Context, got StatsQuery) ([]byte, error) {
		if got != q {
			t.Errorf("asked %+v", got)
		}
		return []byte("points"), fail
	})
	if answers, missing, err := c.Stats(t.Context(), q); len(answers) != 1 || string(answers[0]) != "points" || len(missing) > 0 || err != nil {
		t.Errorf("%q, %v, %v", answers, missing, err)
	}
	fail = errors.New("the disk burns")
	if answers, missing, err := c.Stats(t.Context(), q); len(answers) > 0 || len(missing) != 1 || err != nil {
		t.Errorf("%q, %v, %v", answers, missing, err)
	}
	fail = &Refusal{Message: "too many"}
	var refused *Refusal
	if _, _, err := c.Stats(t.Context(), q); !errors.As(err, &refused) || refused.Message != "too many" {
		t.Error(err)
	}
}
