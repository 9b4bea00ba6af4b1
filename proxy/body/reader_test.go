package body

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// slowly is a second reader of chunks, as slow as it is obvious. whole is false
// for what is malformed, too large or not there to its end.
func slowly(data []byte, limits Limits) (body []byte, length int, whole bool) {
	rest := data
	waste := 0
	for {
		m := chunkLine.FindSubmatch(rest)
		if m == nil || len(m[2]) > maxExtension {
			return nil, 0, false
		}
		rest = rest[len(m[0]):]
		size, err := strconv.ParseInt(string(m[1]), 16, 64)
		if err != nil || size > limits.Body-int64(len(body)) {
			return nil, 0, false
		}
		if size == 0 {
			break
		}
		if waste = max(0, waste+len(m[0])-usualLine-2*int(size)); waste > maxWaste {
			return nil, 0, false
		}
		if int64(len(rest)) < size+2 || string(rest[size:size+2]) != "\r\n" {
			return nil, 0, false
		}
		body = append(body, rest[:size]...)
		rest = rest[size+2:]
	}
	trailers := trailerLines.Find(rest)
	if trailers == nil || len(trailers) > limits.Trailers {
		return nil, 0, false
	}
	return body, len(data) - len(rest) + len(trailers), true
}

var (
	chunkLine    = regexp.MustCompile(`^([0-9A-Fa-f]{1,16})(;[^\x00-\x1f\x7f]*)?\r\n`)
	trailerLines = regexp.MustCompile("^(?:[!#$%&'*+\\-.^_`|~0-9A-Za-z]+:[^\\x00-\\x08\\x0a-\\x1f\\x7f]*\\r\\n)*\\r\\n")
)

// read is what a Reader makes of a body that comes in pieces.
func read(data []byte, step int, length int64, limits Limits) (body []byte, n int, err error) {
	src := &script{data: data, step: step}
	var r Reader
	r.Start(src, length, limits)
	body, err = io.ReadAll(&r)
	return body, src.r, err
}

var testLimits = Limits{Body: 1000, Trailers: 300}

// FuzzChunks: whatever the pieces in which it comes, a body in chunks is read
// as the obvious reader reads it, and as net/http does where both accept it.
func FuzzChunks(f *testing.F) {
	for _, s := range []string{
		"0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\nGET /", "3;a=b;c=\"d\"\r\nabc\r\n00\r\nX: y\r\nZ:\r\n\r\n", "a\r\n0123456789\r\n0\r\n\r\n",
		"3\nabc\r\n0\r\n\r\n", "3 \r\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "0\r\nX Y: 1\r\n\r\n", "0\r\nX: 1\n\r\n", "0\r\n\n",
		"ffffffffffffffff\r\n", "2;a\x00\r\nab\r\n0\r\n\r\n", "2;" + strings.Repeat("a", 256) + "\r\nab\r\n0\r\n\r\n",
		strings.Repeat("1;"+strings.Repeat("a", 250)+"\r\nx\r\n", 100) + "0\r\n\r\n",
	} {
		f.Add([]byte(s), byte(1))
		f.Add([]byte(s), byte(7))
	}
	f.Fuzz(func(t *testing.T, data []byte, step byte) {
		got, n, err := read(data, max(1, int(step)), Chunked, testLimits)
		want, length, whole := slowly(data, testLimits)
		if (err == nil) != whole {
			t.Fatalf("%q: read %q, %v; slowly %q, %v", data, got, err, want, whole)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(got, want) || n != length {
			t.Fatalf("%q: read %q of %d bytes, slowly %q of %d", data, got, n, want, length)
		}
		rest := bytes.NewReader(append([]byte("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"), data...))
		buffered := bufio.NewReader(rest)
		req, err := http.ReadRequest(buffered)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := io.ReadAll(req.Body)
		if err != nil { // net/http is stricter in some trailers
			return
		}
		if left := rest.Len() + buffered.Buffered(); !bytes.Equal(theirs, got) || left != len(data)-n {
			t.Fatalf("%q: net/http reads %q and leaves %d bytes, we %q and %d", data, theirs, left, got, len(data)-n)
		}
	})
}

// TestLength: a body of a known length is read to just that, or broken.
func TestLength(t *testing.T) {
	const data = "abcdefGET /"
	for step := 1; step < 12; step++ {
		for length := range int64(len(data) + 1) {
			body, n, err := read([]byte(data), step, length, testLimits)
			if err != nil || string(body) != data[:length] || int64(n) != length {
				t.Errorf("length %d, step %d: %q, %d taken, %v", length, step, body, n, err)
			}
		}
		if body, _, err := read([]byte(data), step, 12, testLimits); err != io.ErrUnexpectedEOF {
			t.Errorf("cut off: %q, %v", body, err)
		}
	}
}

// TestChunkErrors: what is wrong is said, whatever the pieces.
func TestChunkErrors(t *testing.T) {
	for data, want := range map[string]error{
		"": io.ErrUnexpectedEOF, "3": io.ErrUnexpectedEOF, "3\r\nab": io.ErrUnexpectedEOF, "3\r\nabc": io.ErrUnexpectedEOF,
		"3\r\nabc\r\n": io.ErrUnexpectedEOF, "0\r\n": io.ErrUnexpectedEOF, "0\r\n\r": io.ErrUnexpectedEOF, "0\r\nX: y\r\n": io.ErrUnexpectedEOF,
		"3e9\r\n": ErrTooLarge, "3e8\r\n": io.ErrUnexpectedEOF, "7fffffffffffffff\r\n": ErrTooLarge, "ffffffffffffffff\r\n": hugeSize,
		"00000000000000000": hugeSize, "g": badSize, ";": badSize, "1 ": badSize, "1\n": badLineEnd, "1\r1": badLineEnd,
		"1;\x00": badExtension, "1;\n": badLineEnd, "1;" + strings.Repeat("a", 256): longExt, "1\r\nxy": badChunkEnd, "1\r\nx\r ": badChunkEnd,
		"0\r\n ": badTrailer, "0\r\n:": badTrailer, "0\r\nX\n": badLineEnd, "0\r\nX:\x01": badValue, "0\r\n\n": badLineEnd, "0\r\n\r ": badLineEnd,
		"0\r\nX:" + strings.Repeat("y", 300): ErrTrailers,
	} {
		for _, step := range []int{1, 2, 1000} {
			if body, _, err := read([]byte(data), step, Chunked, testLimits); !errors.Is(err, want) {
				t.Errorf("%.40q in steps of %d: %q, %v; want %v", data, step, body, err, want)
			}
		}
	}
}

// TestSkip: what is buffered is dropped, and nothing is waited for.
func TestSkip(t *testing.T) {
	const data = "3\r\nabc\r\n2;x\r\nde\r\n0\r\nX: y\r\n\r\n"
	for step := 1; step <= len(data); step++ {
		src := &script{data: []byte(data + "GET"), step: step}
		var r Reader
		r.Start(src, Chunked, testLimits)
		for !r.Skip() {
			if r.Err() != nil || len(src.Buffered()) > 0 || src.Fill() != nil {
				t.Fatalf("steps of %d: %v at %d", step, r.Err(), src.r)
			}
		}
		if src.r != len(data) || !r.Done() {
			t.Errorf("steps of %d: skipped to %d", step, src.r)
		}
	}
	src := &script{data: []byte("3\nabc"), step: 10}
	var r Reader
	r.Start(src, Chunked, testLimits)
	_ = src.Fill()
	if r.Skip() || r.Err() != badLineEnd {
		t.Errorf("malformed: %v", r.Err())
	}
}

func BenchmarkChunks(b *testing.B) {
	data := []byte(strings.Repeat("400\r\n"+strings.Repeat("x", 1024)+"\r\n", 100) + "0\r\n\r\n")
	buf := make([]byte, 16<<10)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		src := script{data: data, step: 4 << 10}
		var r Reader
		r.Start(&src, Chunked, Limits{Body: 1 << 20, Trailers: 100})
		for {
			if _, err := r.Read(buf); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}
