package main

import (
	"io"
	"net/http/httptest"
	"testing"
)

func TestEndpointServerTellsWhatItSaw(t *testing.T) {
	s := &endpointServer{}
	r := httptest.NewRequest("PUT", "/pets/1?limit=2", nil)
	r.Header.Add("X-A", "1")
	r.Header.Add("X-A", "2")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Body)
	want := `{"method":"PUT","path":"/pets/1?limit=2","headers":{"Host":"example.com","X-A":"1, 2"}}` + "\n"
	if string(body) != want || w.Code != 200 || s.arrived.Load() != 1 {
		t.Errorf("%d, %s, %d arrived", w.Code, body, s.arrived.Load())
	}
}
