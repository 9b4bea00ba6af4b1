package load

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// What Tollgate's envelope says (spec section 2). A code is five digits long,
// so that none is the beginning of another.
var (
	quotaExceeded = []byte(`"resultCode":20004`)
	undecidable   = []byte(`"resultCode":50300`)
)

// judge is Tollgate's own way of telling what an answer means.
func judge(resp *fasthttp.Response) Verdict {
	switch status := resp.StatusCode(); {
	case status >= 200 && status < 300:
		return Admitted
	case status == fasthttp.StatusForbidden && bytes.Contains(resp.Body(), quotaExceeded):
		return Refused
	case status == fasthttp.StatusServiceUnavailable && bytes.Contains(resp.Body(), undecidable):
		return Undecided
	}
	return Failed
}
