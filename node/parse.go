package node

import (
	"github.com/tollgate/tollgate/proxy"
	"github.com/tollgate/tollgate/proxy/rewrite"
	"github.com/tollgate/tollgate/proxy/route"
	"github.com/tollgate/tollgate/store/catalog"
)

// ParseOptions is how a document is checked before it is stored: as the data
// plane of this version will read it.
func ParseOptions() catalog.ParseOptions {
	return catalog.ParseOptions{
		Pattern: func(pattern string) error {
			_, err := route.Compile(pattern)
			return err
		},
		Endpoints:   proxy.Reach,
		Rewrite:     rewrite.Check,
		RewriteHint: rewrite.Hint,
	}
}
