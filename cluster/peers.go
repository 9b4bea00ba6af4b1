package cluster

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
)

// maxMessageBytes bounds a message between nodes; a domain's document is the
// largest.
const maxMessageBytes = 32 << 20

// peers keeps one RPC connection to each node at each address.
type peers struct {
	transport *Transport

	mu     sync.Mutex
	conns  map[store.Server]*grpc.ClientConn
	closed bool
}

func newPeers(t *Transport) *peers {
	return &peers{transport: t, conns: map[store.Server]*grpc.ClientConn{}}
}

// maxDialPause is the longest pause between two attempts to connect to a node that is down:
// a node that comes back waits for no longer than that.
const maxDialPause = 100 * time.Millisecond

// at is the node id, at an address.
func (p *peers) at(id, addr string) (clusterpb.ClusterClient, error) {
	conn, err := p.conn(id, addr)
	if err != nil {
		return nil, err
	}
	return clusterpb.NewClusterClient(conn), nil
}

// atOnce is at, for a node that is known to be there again: the pause before the next
// attempt to connect ends.
func (p *peers) atOnce(id, addr string) (clusterpb.ClusterClient, error) {
	conn, err := p.conn(id, addr)
	if err != nil {
		return nil, err
	}
	conn.ResetConnectBackoff()
	return clusterpb.NewClusterClient(conn), nil
}

func (p *peers) conn(id, addr string) (*grpc.ClientConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errUnreachable
	}
	key := store.Server{ID: id, Address: addr}
	conn := p.conns[key]
	if conn == nil {
		var err error
		conn, err = grpc.NewClient("passthrough:///"+addr,
			// The transport encrypts, where there is a cluster key.
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
				return p.transport.dial(ctx, id, addr, forRPC)
			}),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxDialPause},
				MinConnectTimeout: time.Second,
			}),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 3 * time.Second}),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes), grpc.MaxCallSendMsgSize(maxMessageBytes)),
			grpc.WithDisableServiceConfig(),
			grpc.WithDisableRetry(), // nothing that counts is sent twice behind our back
		)
		if err != nil {
			return nil, err
		}
		p.conns[key] = conn
	}
	return conn, nil
}

func (p *peers) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for _, conn := range p.conns {
		errs = append(errs, conn.Close())
	}
	clear(p.conns)
	return errors.Join(errs...)
}
