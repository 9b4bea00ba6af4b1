package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/process"
)

// The quotas of the rate limit service, as its configuration names them.
const (
	ratelimitDomain = "bench"
	ratelimitKey    = "quota"
	endValue        = "end"
	farValue        = "far"
	// ratelimitConnections is how many connections go to each instance.
	ratelimitConnections = 2
)

// limitsConfig is what its configuration is made of.
type limitsConfig struct {
	Domain, Key, End, Far string
	EndLimit, FarLimit    uint64
}

// startRatelimit starts a Redis and instances of the rate limit service that
// count in it.
func startRatelimit(l *launch) error {
	redis, err := startRedis(l)
	if err != nil {
		return err
	}
	// $RUNTIME_ROOT/$RUNTIME_SUBDIRECTORY/config/*.yaml
	_, err = l.config("ratelimit/config/limits.yaml", "ratelimit.yaml.tmpl", limitsConfig{
		Domain: ratelimitDomain, Key: ratelimitKey, End: endValue, Far: farValue, EndLimit: l.Limit, FarLimit: farLimit,
	})
	if err != nil {
		return err
	}
	var ready []func() error
	for i := range l.Instances {
		address, await, err := startRatelimitInstance(l, fmt.Sprintf("ratelimit%d", i+1), redis)
		if err != nil {
			return err
		}
		l.running.Addresses = append(l.running.Addresses, address)
		ready = append(ready, await)
	}
	for _, await := range ready {
		if err := await(); err != nil {
			return err
		}
	}
	return nil
}

// startRedis starts a Redis with the settings that it has by default, as the
// rate limit service's own example does.
func startRedis(l *launch) (address string, err error) {
	address, err = process.FreeAddress()
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	p, err := l.run(redisServer, redisServer.Name, process.Command{
		Args: []string{"--bind", host, "--port", port, "--dir", l.Dir, "--daemonize", "no"},
	})
	if err != nil {
		return "", err
	}
	return address, p.AwaitListening(l.ctx, startPatience, address)
}

// startRatelimitInstance starts one instance. ready waits until it decides by
// the limits it was given.
func startRatelimitInstance(l *launch, name, redis string) (address string, ready func() error, err error) {
	free, err := addresses(3)
	if err != nil {
		return "", nil, err
	}
	var env []string
	for i, listener := range []string{"GRPC_", "", "DEBUG_"} {
		host, port, err := net.SplitHostPort(free[i])
		if err != nil {
			return "", nil, err
		}
		env = append(env, listener+"HOST="+host, listener+"PORT="+port)
	}
	env = append(env,
		"REDIS_SOCKET_TYPE=tcp", "REDIS_URL="+redis, // and 10 connections, by default: more were no faster here
		"RUNTIME_ROOT="+l.Dir, "RUNTIME_SUBDIRECTORY=ratelimit", "RUNTIME_WATCH_ROOT=false",
		"LOG_LEVEL=ERROR", "DISABLE_STATS=true", "USE_STATSD=false")
	p, err := l.run(ratelimit, name, process.Command{Env: env})
	if err != nil {
		return "", nil, err
	}
	return free[0], func() error {
		caller, err := dialRatelimit(free[:1], 1)
		if err != nil {
			return err
		}
		defer caller.close()
		request := rateLimitRequest(ratelimitDomain, ratelimitKey, farValue)
		return p.Await(l.ctx, startPatience, name+" decides by the limits", func(ctx context.Context) error {
			_, err := caller.decide(ctx, 0, request, farLimit)
			return err
		})
	}, nil
}

// ratelimitCaller calls instances of the rate limit service.
type ratelimitCaller struct {
	connections []*grpc.ClientConn // of the instances in turn
}

// connecting is how an instance is called that may be starting.
var connecting = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, Jitter: 0.2, MaxDelay: 200 * time.Millisecond},
	MinConnectTimeout: time.Second,
}

// dialRatelimit makes each that many connections to every address, which are
// opened by the first call.
func dialRatelimit(addresses []string, each int) (*ratelimitCaller, error) {
	c := &ratelimitCaller{}
	for range each {
		for _, address := range addresses {
			conn, err := grpc.NewClient("passthrough:///"+address,
				grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithConnectParams(connecting),
				grpc.WithDefaultCallOptions(grpc.ForceCodecV2(wireCodec{})))
			if err != nil {
				c.close()
				return nil, err
			}
			c.connections = append(c.connections, conn)
		}
	}
	return c, nil
}

func (c *ratelimitCaller) close() {
	for _, conn := range c.connections {
		_ = conn.Close() // nothing is under way on it
	}
}

// errNoLimit is an answer that is no decision.
var errNoLimit = errors.New("the rate limit service did not decide by the limit it was given")

// decide asks for one unit over the connection of a caller, numbered from 0. It
// fails unless the answer was made by the limit of perHour units an hour.
func (c *ratelimitCaller) decide(ctx context.Context, caller int, request []byte, perHour uint64) (load.Verdict, error) {
	var answer rateLimitResponse
	conn := c.connections[caller%len(c.connections)]
	if err := conn.Invoke(ctx, shouldRateLimit, request, &answer); err != nil {
		switch status.Code(err) {
		case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
			return load.Unknown, err
		}
		return load.Failed, err
	}
	switch {
	case uint64(answer.perUnit) != perHour || answer.unit != unitHour:
		return load.Failed, fmt.Errorf("%w, %d an hour: it says %+v", errNoLimit, perHour, answer)
	case answer.code == codeOK:
		return load.Admitted, nil
	case answer.code == codeOverLimit:
		return load.Refused, nil
	}
	return load.Failed, fmt.Errorf("the rate limit service answers the code %d, which is neither %d nor %d", answer.code, codeOK, codeOverLimit)
}
