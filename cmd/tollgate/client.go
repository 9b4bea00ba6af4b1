package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
)

// client calls the admin API of a cluster through any of its nodes.
type client struct {
	urls  []string // without a slash at the end; never empty
	token string
	http  *http.Client
}

// do sends a call to the first node that can be reached and returns what it
// answers. A refusal is an *api.Error. A call that may have arrived is not sent
// to another node unless it only reads.
func (c *client) do(ctx context.Context, rq api.Request) (answer *api.Answer, err error) {
	err = c.each(ctx, rq.Reads(), func(node *api.Client) error {
		answer, err = node.Do(ctx, rq)
		return err
	})
	return answer, err
}

// each makes a call of the nodes in turn until one has answered.
func (c *client) each(ctx context.Context, reads bool, call func(*api.Client) error) error {
	var unreachable []string
	for _, base := range c.urls {
		err := call(&api.Client{URL: base, Token: c.token, HTTP: c.http})
		var lost *api.LostError
		if !errors.As(err, &lost) {
			return explained(base, err)
		}
		text := fmt.Errorf("%s: %w", base, plainError(lost.Err))
		if lost.Sent && !reads {
			return fmt.Errorf("%w; the call may or may not have taken effect: look, then repeat it if it has not", text)
		}
		if ctx.Err() != nil {
			return errors.New("interrupted before an answer came")
		}
		unreachable = append(unreachable, text.Error())
	}
	return fmt.Errorf("no node answered; is one running there? --admin-url or %s names others\n%s",
		envAdminURL, strings.Join(unreachable, "\n"))
}

// plainError is why a call got no answer, with what to do where that is known.
func plainError(err error) error {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &name):
		return fmt.Errorf("%w; --%s FILE knows all nodes of the cluster, whatever they are called", err, node.ClusterKeyFile)
	case errors.As(err, &unknown):
		return fmt.Errorf("%w; --%s FILE trusts what `tollgate ca` prints, --%s FILE all nodes of the cluster", err, node.AdminCA, node.ClusterKeyFile)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%w: the node has no cluster key; say http://", err)
	}
	return err
}

// explained is an error of a call that was answered, in the words of the
// commands.
func explained(base string, err error) error {
	var e *api.Error
	switch {
	case !errors.As(err, &e):
		return err
	case e.Code != 0:
		return &refusedError{e}
	case speaksTLS(err):
		return fmt.Errorf("%s speaks TLS: say https://, or leave the scheme out and give --%s FILE or --%s FILE", base, node.AdminCA, node.ClusterKeyFile)
	}
	return fmt.Errorf("%s answered %d %s (%s), which no Tollgate admin API does; is that the right --admin-url?",
		base, e.Status, http.StatusText(e.Status), cli.Cell(e.ContentType))
}

// speaksTLS tells from the error of a call over plain HTTP that TLS was wanted.
func speaksTLS(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Code == 0 && strings.Contains(string(e.Body), "HTTP request to an HTTPS server")
}

// refusedError is an answer of the admin API that refuses.
type refusedError struct{ answer *api.Error }

// Error is the message, its code behind it, and a line a problem.
func (e *refusedError) Error() string {
	message := strings.TrimPrefix(e.answer.Message, fmt.Sprintf("%d ", e.answer.Code))
	text := fmt.Sprintf("%s (%d)", cli.Cell(message), e.answer.Code)
	if e.answer.Code == 40100 {
		text += "; --token-file or " + envToken + " gives it"
	}
	return text + problemLines(e.answer.Problems)
}

func problemLines(problems []catalog.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString("\n" + cli.Cell(p.Path) + ": " + cli.Cell(p.Message))
	}
	return b.String()
}
