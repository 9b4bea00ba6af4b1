package node

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes as people write it: 65536, 64KiB, 10MiB, 1GiB.
type Size int64

// sizeUnits are the units from the largest to the smallest.
var sizeUnits = [...]struct {
	name  string
	bytes Size
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String is the size in the largest unit that leaves a whole number.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && s%u.bytes == 0 {
			return fmt.Sprint(int64(s/u.bytes)) + u.name
		}
	}
	return fmt.Sprint(int64(s))
}

func parseSize(text string) (Size, error) {
	digits, unit := text, Size(1)
	for _, u := range sizeUnits {
		if before, ok := strings.CutSuffix(text, u.name); ok {
			digits, unit = before, u.bytes
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64/int64(unit) {
		return 0, fmt.Errorf("must be bytes, or a size such as 64KiB or 10MiB, is %q", text)
	}
	return Size(n) * unit, nil
}
