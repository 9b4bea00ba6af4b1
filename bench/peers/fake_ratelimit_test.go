package peers

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// fakeRatelimit decides by the fake Redis.
func fakeRatelimit([]string) {
	folder := filepath.Join(os.Getenv("RUNTIME_ROOT"), os.Getenv("RUNTIME_SUBDIRECTORY"), "config")
	var config struct {
		Domain      string
		Descriptors []struct {
			Key, Value string
			Limit      struct {
				Unit    string
				PerUnit uint32 `yaml:"requests_per_unit"`
			} `yaml:"rate_limit"`
		}
	}
	must(0, yaml.Unmarshal(must(os.ReadFile(filepath.Join(folder, "limits.yaml"))), &config))
	redis := must(net.Dial("tcp", os.Getenv("REDIS_URL")))
	answers := bufio.NewScanner(redis)
	var mu sync.Mutex
	serveRatelimit(must(net.Listen("tcp", net.JoinHostPort(os.Getenv("GRPC_HOST"), os.Getenv("GRPC_PORT")))), func(r fakeRequest) fakeAnswer {
		for _, d := range config.Descriptors {
			if config.Domain != r.domain || d.Key != r.key || d.Value != r.value || d.Limit.Unit != "hour" {
				continue
			}
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintln(redis, d.Value)
			answers.Scan()
			answer := fakeAnswer{code: codeOK, perUnit: d.Limit.PerUnit, unit: unitHour}
			if must(strconv.Atoi(answers.Text())) > int(d.Limit.PerUnit) {
				answer.code = codeOverLimit
			}
			return answer
		}
		return fakeAnswer{code: codeOK} // it knows no limit
	}).Wait()
}

// fakeRequest and fakeAnswer are messages of the rate limit service.
type (
	fakeRequest struct{ domain, key, value string }
	fakeAnswer  struct{ code, perUnit, unit uint32 }
)

// fakeService is a rate limit service on a listener.
type fakeService struct {
	server *grpc.Server
	served chan struct{}
}

// serveRatelimit serves until close. Calls are decided at the same time.
func serveRatelimit(ln net.Listener, decide func(fakeRequest) fakeAnswer) *fakeService {
	handler := func(_ any, stream grpc.ServerStream) error {
		var raw []byte
		if err := stream.RecvMsg(&raw); err != nil {
			return err
		}
		return stream.SendMsg(decide(readRequest(raw)).encode())
	}
	s := &fakeService{
		// A call with one message each way goes over the wire as a stream does.
		server: grpc.NewServer(grpc.ForceServerCodecV2(rawCodec{}), grpc.UnknownServiceHandler(handler)),
		served: make(chan struct{}),
	}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(ln) // ends with close
	}()
	return s
}

// Wait returns once it is closed.
func (s *fakeService) Wait() { <-s.served }

func (s *fakeService) close() {
	s.server.Stop()
	s.Wait()
}

func (a fakeAnswer) encode() (raw []byte) {
	varint := func(b []byte, field protowire.Number, n uint32) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(n))
	}
	raw = varint(raw, 1, a.code)
	status := varint(nil, 1, a.code)
	if a.perUnit > 0 {
		limit := appendString(nil, 3, "a name")
		limit = varint(varint(limit, 1, a.perUnit), 2, a.unit)
		status = varint(appendBytes(status, 2, limit), 3, 17)
	}
	return appendBytes(raw, 2, status)
}

func readRequest(raw []byte) (r fakeRequest) {
	must(0, eachField(raw, func(f wireField) error {
		if f.is(1, protowire.BytesType) {
			r.domain = string(f.bytes)
			return nil
		}
		return eachField(f.bytes, func(f wireField) error {
			return eachField(f.bytes, func(f wireField) error {
				if f.number == 1 {
					r.key = string(f.bytes)
				} else {
					r.value = string(f.bytes)
				}
				return nil
			})
		})
	}))
	return r
}

// rawCodec has gRPC send and receive bytes as they are, on a server.
type rawCodec struct{}

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func (rawCodec) Name() string { return "proto" }
