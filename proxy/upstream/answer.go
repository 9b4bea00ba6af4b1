package upstream

import (
	"bytes"
	"time"

	"github.com/tollgate/tollgate/proxy/header"
)

// Answer is what a client will get: what a server said, without what concerned
// the connection to it only, or what the gateway says itself. It is reused:
// its slices are good until Reset or the next Do.
type Answer struct {
	Status int
	// Phrase is the reason phrase, empty for the usual one.
	Phrase []byte
	// Fields are the header fields as spelled. Content-Length is among them only
	// where Bodiless is true, and then says what a body would have had.
	Fields header.List
	// Body is a small body; Lasting is true where it is never changed. A longer
	// one is Held, when it has come whole, or Coming. Whoever takes one of these
	// two out must close it.
	Body    []byte
	Lasting bool
	Held    *Held
	Coming  *Body
	// Switched is the connection itself where Status is 101. Whoever takes it out
	// must close it.
	Switched *Tunnel
	// Bodiless is true where there can be no body: after HEAD, and for 204 and
	// 304.
	Bodiless bool

	// Target is the host and port of the server of a Group that was called last,
	// whether or not it has answered; empty where none was. Took is how long the
	// call of the endpoint server took, to the head of its answer and what is held
	// of its body.
	Target string
	Took   time.Duration
	// from is the server of that Target.
	from *Server

	head head
	// text backs head, small is where Body is put.
	text, small []byte
}

// Reset drops everything that refers to a request.
func (a *Answer) Reset() {
	a.DropBody()
	*a = Answer{
		Fields: a.Fields[:0], head: head{fields: a.head.fields[:0]},
		text: a.text[:0], small: a.small[:0],
	}
}

// DropBody takes the body away.
func (a *Answer) DropBody() {
	if a.Held != nil {
		_ = a.Held.Close()
	}
	if a.Coming != nil {
		_ = a.Coming.Close()
	}
	if a.Switched != nil {
		_ = a.Switched.Close()
	}
	a.Body, a.Lasting, a.Held, a.Coming, a.Switched = nil, false, nil, nil, nil
}

// Make begins an answer of the gateway's own. It keeps body, which must never
// be changed.
func (a *Answer) Make(status int, body []byte) {
	a.DropBody()
	a.Status, a.Phrase, a.Fields, a.Body, a.Lasting, a.Bodiless = status, nil, a.Fields[:0], body, true, false
}

// WantBody makes an answer to HEAD one to another method: with a body of no
// bytes. The length that HEAD was told would be that of a body nobody has.
func (a *Answer) WantBody() {
	a.Bodiless = false
	a.Fields = a.Fields.Without(header.ContentLength)
}

// URL is where the server of Target has been asked for a path; empty: none was.
func (a *Answer) URL(path, query []byte) string {
	if a.from == nil {
		return ""
	}
	return a.from.URL(path, query)
}

// Set makes a field the only one of its name, in whatever case that stands.
func (a *Answer) Set(name, value []byte) {
	a.Delete(name)
	a.Add(name, value)
}

// Add adds a field. It keeps name and value.
func (a *Answer) Add(name, value []byte) {
	a.Fields = append(a.Fields, header.Field{Name: name, Value: value, Rules: header.Lookup(name)})
}

// Delete takes all fields of a name away.
func (a *Answer) Delete(name []byte) {
	kept := a.Fields[:0]
	for _, f := range a.Fields {
		if len(f.Name) != len(name) || !bytes.EqualFold(f.Name, name) {
			kept = append(kept, f)
		}
	}
	a.Fields = kept
}

// take makes a head the answer's. text, which the head refers to, is copied:
// the buffer it stands in goes back before the answer goes out.
func (a *Answer) take(text []byte) error {
	a.text = append(a.text[:0], text...)
	if err := a.head.read(a.text); err != nil {
		return err
	}
	a.Status, a.Phrase = a.head.status, a.head.phrase
	return nil
}

// pass fills Fields from the head, with the gateway's name behind those that
// the answer has passed already (RFC 9110 7.6.3).
func (a *Answer) pass(req *Request) {
	a.Bodiless = req.Method == "HEAD" || a.Status == 204 || a.Status == 304
	kept := a.head.endToEnd(a.Bodiless && a.Status != 204, len(req.ID) > 0) // RFC 9110 8.6
	if len(req.Via) > 0 {
		kept = a.addVia(kept, req.Via)
	}
	// The two lists change places, so that each keeps its array.
	a.head.fields, a.Fields = a.Fields[:0], kept
}

var viaName = []byte("Via")

// addVia puts a name behind the last one of the last Via, or adds the field.
func (a *Answer) addVia(fields header.List, via []byte) header.List {
	for i := len(fields) - 1; i >= 0; i-- {
		if f := &fields[i]; f.Rules&header.Via != 0 {
			begin := len(a.text)
			a.text = append(append(append(a.text, f.Value...), ", "...), via...)
			f.Value = a.text[begin:]
			return fields
		}
	}
	return append(fields, header.Field{Name: viaName, Value: via, Rules: header.Via})
}
