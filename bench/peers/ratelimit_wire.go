package peers

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// The call that Envoy makes of a rate limit service: envoy/service/ratelimit/v3
// rls.proto, of which these are the parts that are needed here. Envoy's own Go
// module is larger than all of ours.
//
//	RateLimitRequest    1 domain, 2 descriptors, 3 hits_addend (1 if absent)
//	RateLimitDescriptor 1 entries
//	Entry               1 key, 2 value
//	RateLimitResponse   1 overall_code, 2 statuses
//	DescriptorStatus    1 code, 2 current_limit, 3 limit_remaining
//	RateLimit           1 requests_per_unit, 2 unit
const shouldRateLimit = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"

// Codes of a response, and of each status in it.
const (
	codeOK        = 1
	codeOverLimit = 2
)

// Units of a limit.
const unitHour = 3

// rateLimitRequest is a request for one unit by a descriptor of one entry.
func rateLimitRequest(domain, key, value string) []byte {
	var entry, descriptor, request []byte
	entry = appendString(entry, 1, key)
	entry = appendString(entry, 2, value)
	descriptor = appendBytes(descriptor, 1, entry)
	request = appendString(request, 1, domain)
	return appendBytes(request, 2, descriptor)
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendBytes(b []byte, field protowire.Number, s []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), s)
}

// rateLimitResponse is what a response says, of its statuses only the first.
type rateLimitResponse struct {
	code uint32
	// perUnit and unit are the limit that was looked at; 0 if the service knows
	// none for the descriptor, which it then lets pass.
	perUnit, unit uint32
}

// decode reads a response. Fields that are not needed are passed over.
func (r *rateLimitResponse) decode(raw []byte) error {
	*r = rateLimitResponse{}
	statuses := 0
	return eachField(raw, func(f wireField) error {
		switch {
		case f.is(1, protowire.VarintType):
			r.code = uint32(f.varint)
		case f.is(2, protowire.BytesType):
			statuses++
			return r.decodeStatus(f.bytes, statuses == 1)
		}
		return nil
	})
}

// decodeStatus reads a status, and keeps its limit if it is to be kept.
func (r *rateLimitResponse) decodeStatus(raw []byte, keep bool) error {
	return eachField(raw, func(f wireField) error {
		if !f.is(2, protowire.BytesType) {
			return nil
		}
		return eachField(f.bytes, func(f wireField) error {
			switch {
			case keep && f.is(1, protowire.VarintType):
				r.perUnit = uint32(f.varint)
			case keep && f.is(2, protowire.VarintType):
				r.unit = uint32(f.varint)
			}
			return nil
		})
	})
}

// wireField is one field of a message; what its kind does not have is empty.
type wireField struct {
	number protowire.Number
	kind   protowire.Type
	varint uint64
	bytes  []byte
}

func (f *wireField) is(number protowire.Number, kind protowire.Type) bool {
	return f.number == number && f.kind == kind
}

// eachField calls visit with each field of a message.
func eachField(raw []byte, visit func(wireField) error) error {
	for len(raw) > 0 {
		var f wireField
		var size int
		f.number, f.kind, size = protowire.ConsumeTag(raw)
		if size < 0 {
			return fmt.Errorf("a response of the rate limit service: %w", protowire.ParseError(size))
		}
		if f.number > protowire.MaxValidNumber {
			return fmt.Errorf("a response of the rate limit service: field %d, must be at most %d", f.number, protowire.MaxValidNumber)
		}
		raw = raw[size:]
		switch f.kind {
		case protowire.VarintType:
			f.varint, size = protowire.ConsumeVarint(raw)
		case protowire.BytesType:
			f.bytes, size = protowire.ConsumeBytes(raw)
		default:
			size = protowire.ConsumeFieldValue(f.number, f.kind, raw)
		}
		if size < 0 {
			return fmt.Errorf("a response of the rate limit service, field %d: %w", f.number, protowire.ParseError(size))
		}
		if err := visit(f); err != nil {
			return err
		}
		raw = raw[size:]
	}
	return nil
}

// wireCodec has gRPC send a []byte as it is and read into a rateLimitResponse.
type wireCodec struct{}

var errWireType = errors.New("the codec of the rate limit service sends []byte and reads *rateLimitResponse")

// Marshal gives the bytes to send, which must not change afterwards.
func (wireCodec) Marshal(v any) (mem.BufferSlice, error) {
	raw, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("%w, not %T", errWireType, v)
	}
	return mem.BufferSlice{mem.SliceBuffer(raw)}, nil
}

// Unmarshal reads an answer.
func (wireCodec) Unmarshal(data mem.BufferSlice, v any) error {
	response, ok := v.(*rateLimitResponse)
	if !ok {
		return fmt.Errorf("%w, not %T", errWireType, v)
	}
	return response.decode(data.Materialize())
}

// Name is that of protocol buffers, which is what goes over the wire.
func (wireCodec) Name() string { return "proto" }
