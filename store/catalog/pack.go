package catalog

import (
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/tollgate/tollgate/store/wire"
)

// A document is compressed once, by the leader, on its way into the log. From
// there on it stays as it is: in the log, in the state, in snapshots. Applying a
// command neither compresses nor decompresses anything, so replicas agree on the
// bytes whatever version of the codec they have.

// minPacked is the size of a document, in bytes, from which on it is compressed.
const minPacked = 1024

// packWindow bounds what the codec looks back, and so its memory on both sides.
const packWindow = 1 << 20

// Pack compresses the draft of OpPut, where that makes it smaller.
func (c *Command) Pack() {
	d := &c.Draft
	if d.Size != 0 || len(d.Document) < minPacked || len(d.Document) > MaxDocumentBytes {
		return
	}
	// An encoder of its own: they are large, and documents are rare.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(packWindow), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return // never: the options are constant
	}
	defer enc.Close()
	if packed := enc.EncodeAll(d.Document, nil); len(packed) < len(d.Document) {
		d.Document, d.Size = packed, len(d.Document)
	}
}

// JSON is the document as it was saved. It fails only where what is stored was
// damaged, or packed by somebody else.
func (r *Revision) JSON() ([]byte, error) { return unpack(r.Document, r.Size) }

// unpack is a document that is kept as b: of size bytes, or as it is if size is 0.
func unpack(b []byte, size int) ([]byte, error) {
	if size == 0 {
		return b, nil
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(MaxDocumentBytes), zstd.WithDecoderMaxWindow(packWindow))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	doc, err := dec.DecodeAll(b, make([]byte, 0, size))
	if err == nil && len(doc) != size {
		err = fmt.Errorf("it has %d bytes, must have %d", len(doc), size)
	}
	if err != nil {
		return nil, fmt.Errorf("a compressed document: %w", err)
	}
	return doc, nil
}

// appendDocument appends a document, kept as doc, to b.
func appendDocument(b, doc []byte, size int) []byte {
	if size != 0 {
		b = wire.AppendUints(append(b, 0), uint64(size))
	}
	return wire.AppendString(b, doc)
}
