package catalog

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// referencePage has a section for each plugin.
const referencePage = "../../docs/reference.md"

var (
	referenceField = regexp.MustCompile("(?m)^\\| `(\\w+)` \\|")
	// pemExamples are certificates and keys, which the page shortens.
	pemExamples      = regexp.MustCompile(`"-----BEGIN [A-Z ]+-----\\n…\\n-----END [A-Z ]+-----"`)
	referenceExample = regexp.MustCompile("(?s)```json\n(.*?)```")
)

// A certificate and its key as JSON, of nobody and for nothing but these tests.
const (
	testCertificate = `"-----BEGIN CERTIFICATE-----\nMIIBDDCBs6ADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMTBHRlc3QwIBcN\nNzAwMTAxMDAwMDAwWhgPMjEyNTAxMDEwMDAwMDBaMA8xDTALBgNVBAMTBHRlc3Qw\nWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATkqzGVaPZ9EvdD+A9xK/+ei+bXojAE\nZ+hf/bBxHKQewXtIS2jvkeW2DRLdu/egfDuUi3a0NUgTaqXQZn2OusZbMAoGCCqG\nSM49BAMCA0gAMEUCIQCtFgr51rT4zeuTwDJ4/oYO8ftOJyYNXVwDfiBUJWimAwIg\nKMsI+Hh1qxovw9Q22IL+TPobGDs+toCB/p1VD1iWh/c=\n-----END CERTIFICATE-----\n"`
	testKey         = `"-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgII92O+dqMy3zj1TJ\nTcGPZXX7vyCrC9zs4JVFvL8Xx2mhRANCAATkqzGVaPZ9EvdD+A9xK/+ei+bXojAE\nZ+hf/bBxHKQewXtIS2jvkeW2DRLdu/egfDuUi3a0NUgTaqXQZn2OusZb\n-----END PRIVATE KEY-----\n"`
)

// TestReference: the page has every plugin with exactly its fields, and an example
// that has them all and imports.
func TestReference(t *testing.T) {
	text, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	for _, pl := range plugins {
		t.Run(pl.name, func(t *testing.T) {
			_, section, ok := strings.Cut(string(text), "\n### "+pl.name+"\n")
			if !ok {
				t.Fatalf("%s has no section %s", referencePage, pl.name)
			}
			section, _, _ = strings.Cut(section, "\n##")
			var told []string
			for _, m := range referenceField.FindAllStringSubmatch(section, -1) {
				told = append(told, m[1])
			}
			example := referenceExample.FindStringSubmatch(section)
			if example == nil {
				t.Fatal("it has no example")
			}
			document, ok := exampleDocument(t, pl, example[1])
			if !ok {
				t.Fatalf("its example is of no domain and no endpoint: %s", example[1])
			}
			doc, err := Parse([]byte(document), ParseOptions{})
			if err != nil {
				t.Fatalf("its example does not import: %v\n%s", err, document)
			}
			if len(doc.Warnings) > 0 {
				t.Errorf("its example imports with warnings: %v", doc.Warnings)
			}
			fields := map[string]bool{}
			fieldsOf(pluginType(doc, pl), fields)
			for _, name := range told {
				if !fields[name] {
					t.Errorf("it tells of %s, which is no field", name)
				}
				delete(fields, name)
				if !strings.Contains(example[1], `"`+name+`"`) {
					t.Errorf("its example does without %s", name)
				}
			}
			for name := range fields {
				t.Errorf("it does not tell of %s", name)
			}
		})
	}
}

// exampleDocument is a document with the plugin of an example, at an endpoint
// where it can stand there.
func exampleDocument(t *testing.T, pl plugin, example string) (string, bool) {
	t.Helper()
	var one map[string]json.RawMessage
	if err := json.Unmarshal([]byte(example), &one); err != nil || len(one) != 1 || one[pl.name] == nil {
		t.Fatalf("its example must be an object with %s and nothing else: %v", pl.name, err)
	}
	example = pemExamples.ReplaceAllStringFunc(example, func(shortened string) string {
		if strings.Contains(shortened, "PRIVATE KEY") {
			return testKey
		}
		return testCertificate
	})
	if err := json.Unmarshal([]byte(example), &one); err != nil {
		t.Fatal(err)
	}
	member := `"` + pl.name + `":` + string(one[pl.name])
	domain, endpoint := `"HTTP_PROXY":{"url":"http://10.0.0.5"}`, ""
	if pl.name == PluginUsageQuota || pl.name == PluginEndpointUsageQuota {
		domain += `,"JWT":{"secretKey":"k"},"API_KEY":{}` // which their callers need
	}
	switch {
	case pl.endpoint != nil:
		endpoint = member
	case pl.name == PluginHTTPProxy:
		domain = member
	case pl.domain != nil:
		domain += "," + member
	default:
		return "", false
	}
	return `{"swagger":"2.0","info":{"title":"x","version":"1"},"basePath":"/x","schemes":["http"],"paths":{"/x":{"get":{"` +
		Extension + `":{"plugins":{` + endpoint + `}}}}},"` + Extension + `":{"plugins":{` + domain + `}}}`, true
}

// pluginType is the type that the example of a plugin was read into: the one that
// the document has beside its HTTP_PROXY.
func pluginType(doc *Document, pl plugin) reflect.Type {
	all := []reflect.Value{reflect.ValueOf(doc.Domain.Endpoints[0].Plugins), reflect.ValueOf(doc.Domain.Plugins)}
	for _, plugins := range all {
		for i := range plugins.NumField() {
			field, beside := plugins.Field(i), false
			for name, needed := range map[string]reflect.Type{PluginHTTPProxy: reflect.TypeFor[*HTTPProxy](), PluginJWT: reflect.TypeFor[*JWT](), PluginAPIKey: reflect.TypeFor[*APIKey]()} {
				beside = beside || field.Type() == needed && pl.name != name
			}
			if !field.IsNil() && !beside {
				return field.Type()
			}
		}
	}
	return nil
}

// fieldsOf collects the names that a type has in JSON, those of what it holds included.
func fieldsOf(of reflect.Type, names map[string]bool) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		fieldsOf(of.Elem(), names)
	case reflect.Struct:
		for i := range of.NumField() {
			field := of.Field(i)
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
				names[name] = true
			}
			fieldsOf(field.Type, names)
		}
	}
}
