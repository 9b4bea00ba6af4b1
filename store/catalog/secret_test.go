package catalog

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestSecretFieldsAreDeclared: a plugin's field that is named like a secret is one of
// secretFields, so that no export shows it.
func TestSecretFieldsAreDeclared(t *testing.T) {
	looks := regexp.MustCompile(`(?i)secret|password|passphrase|token|credential$|private|key$`)
	seen := map[string]bool{}
	var walk func(at, owner string, typ reflect.Type)
	walk = func(at, owner string, typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(at, owner, typ.Elem())
		case reflect.Struct:
			for f := range typ.Fields() {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if name == "" {
					name = f.Name
				}
				seen[name], seen[owner+"."+name] = true, true
				if looks.MatchString(name) && !IsSecret(owner, name) && f.Type != reflect.TypeFor[*APIKey]() { // the plugin, whose keys are no part of a document
					t.Errorf("%s.%s is named like a secret: put it among secretFields", at, name)
				}
				walk(at+"."+name, name, f.Type)
			}
		}
	}
	walk("domain", "", reflect.TypeFor[DomainPlugins]())
	walk("endpoint", "", reflect.TypeFor[EndpointPlugins]())
	for _, name := range secretFields {
		if !seen[name] {
			t.Errorf("%s is among secretFields, and no plugin has such a field", name)
		}
	}
}

// TestOnlyDeclaredSecretsAreRead: a plugin cannot read a secret that an export shows.
func TestOnlyDeclaredSecretsAreRead(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a field that is none of secretFields is read as a secret")
		}
	}()
	(&object{}).secret("another")
}
