package peers

import (
	"math"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// rls is what is used of envoy/service/ratelimit/v3/rls.proto and of the
// messages that it refers to, for the protobuf library.
func rls(t testing.TB) protoreflect.MessageDescriptors {
	t.Helper()
	field := func(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type, message string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{
			Name: proto.String(name), Number: proto.Int32(number), Type: kind.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if message != "" {
			f.TypeName = proto.String(".rls." + message)
		}
		return f
	}
	repeated := func(f *descriptorpb.FieldDescriptorProto) *descriptorpb.FieldDescriptorProto {
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		return f
	}
	const (
		text    = descriptorpb.FieldDescriptorProto_TYPE_STRING
		number  = descriptorpb.FieldDescriptorProto_TYPE_UINT32
		message = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	)
	describe := func(name string, fields ...*descriptorpb.FieldDescriptorProto) *descriptorpb.DescriptorProto {
		return &descriptorpb.DescriptorProto{Name: proto.String(name), Field: fields}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("rls.proto"), Package: proto.String("rls"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			describe("Request", field("domain", 1, text, ""), repeated(field("descriptors", 2, message, "Descriptor")), field("hits_addend", 3, number, "")),
			describe("Descriptor", repeated(field("entries", 1, message, "Entry"))),
			describe("Entry", field("key", 1, text, ""), field("value", 2, text, "")),
			describe("Response", field("overall_code", 1, number, ""), repeated(field("statuses", 2, message, "Status"))),
			describe("Status", field("code", 1, number, ""), field("current_limit", 2, message, "Limit"), field("limit_remaining", 3, number, "")),
			describe("Limit", field("requests_per_unit", 1, number, ""), field("unit", 2, number, "")),
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return file.Messages()
}

// get is a field of a message, by name.
func get(m protoreflect.Message, name protoreflect.Name) protoreflect.Value {
	return m.Get(m.Descriptor().Fields().ByName(name))
}

func TestRateLimitRequest(t *testing.T) {
	request := dynamicpb.NewMessage(rls(t).ByName("Request"))
	if err := proto.Unmarshal(rateLimitRequest("a domain", "a key", "a value"), request); err != nil {
		t.Fatal(err)
	}
	if got := get(request, "domain").String(); got != "a domain" {
		t.Errorf("the domain is %q", got)
	}
	if got := get(request, "hits_addend").Uint(); got != 0 {
		t.Errorf("hits_addend is %d, expected none, which means 1", got)
	}
	descriptors := get(request, "descriptors").List()
	if descriptors.Len() != 1 {
		t.Fatalf("%d descriptors, expected 1", descriptors.Len())
	}
	entries := get(descriptors.Get(0).Message(), "entries").List()
	if entries.Len() != 1 {
		t.Fatalf("%d entries, expected 1", entries.Len())
	}
	entry := entries.Get(0).Message()
	if key, value := get(entry, "key").String(), get(entry, "value").String(); key != "a key" || value != "a value" {
		t.Errorf("the entry is %q=%q", key, value)
	}
	if unknown := request.GetUnknown(); len(unknown) > 0 {
		t.Errorf("fields that rls.proto does not have: %x", unknown)
	}
}

// FuzzRateLimitResponse: what the protobuf library reads, we read, and the same.
func FuzzRateLimitResponse(f *testing.F) {
	f.Add(fakeAnswer{code: codeOK, perUnit: 10_000, unit: unitHour}.encode())
	f.Add(fakeAnswer{code: codeOverLimit, perUnit: math.MaxUint32, unit: unitHour}.encode())
	f.Add(fakeAnswer{code: codeOK}.encode())
	f.Add(append(fakeAnswer{code: codeOK, perUnit: 1, unit: 1}.encode(), fakeAnswer{code: codeOverLimit, perUnit: 2, unit: 2}.encode()...))
	f.Add([]byte{0x0a, 0x01, 0x02})        // overall_code as bytes
	f.Add([]byte{0x12, 0x7f})              // a status that is cut off
	f.Add([]byte("\xb5\xb5\xb5\xb500000")) // a field number that is too large
	descriptor := rls(f).ByName("Response")
	f.Fuzz(func(t *testing.T, raw []byte) {
		message := dynamicpb.NewMessage(descriptor)
		want := proto.Unmarshal(raw, message)
		var got rateLimitResponse
		if err := got.decode(raw); (err == nil) != (want == nil) {
			t.Fatalf("%x: read with error %v, the protobuf library says %v", raw, err, want)
		}
		if want != nil {
			return
		}
		expected := rateLimitResponse{code: uint32(get(message, "overall_code").Uint())}
		if statuses := get(message, "statuses").List(); statuses.Len() > 0 {
			limit := get(statuses.Get(0).Message(), "current_limit").Message()
			expected.perUnit = uint32(get(limit, "requests_per_unit").Uint())
			expected.unit = uint32(get(limit, "unit").Uint())
		}
		if got != expected {
			t.Errorf("%x: read as %+v, by the protobuf library as %+v", raw, got, expected)
		}
	})
}
