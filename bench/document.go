package bench

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tollgate/tollgate/store/catalog"
)

// secret signs for the domains with HMAC and JWT, issuer is who issues their
// tokens.
const (
	secret = "the secret key of the benchmark"
	issuer = "tollgate-bench"
	// clockSkew is seconds that a signature or token may be old.
	clockSkew = 300
	// singleUseSkew is how long, before and after its time, a signature that is
	// good once may come, seconds: claims are kept as long.
	singleUseSkew = 60
	// callerField has who calls.
	callerField = "X-Caller"
)

// mockBody is the answer of a MOCK: as long as what the endpoint server says.
const mockBody = `{"id":42,"name":"an item that the gateway itself made up","tags":["mock"],"price":"9.90"}`

// object is a JSON object of a Swagger document.
type object map[string]any

// document is the Swagger document of a domain: key is its key, origin the URL
// of the endpoint server. Revisions of it differ in their titles.
func (s *Setup) document(key, origin string, revision int) ([]byte, error) {
	paths := make(map[string]object, s.Endpoints)
	for e := range s.Endpoints {
		paths[pattern(e)] = object{strings.ToLower(s.method()): object{
			"responses":       object{"200": object{"description": "an item"}},
			catalog.Extension: object{"plugins": s.endpointPlugins()},
		}}
	}
	raw, err := json.Marshal(object{
		"swagger":         "2.0",
		"info":            object{"title": "Benchmark " + key, "version": fmt.Sprint(revision)},
		"basePath":        "/" + key,
		"schemes":         []string{"http"},
		"paths":           paths,
		catalog.Extension: object{"plugins": s.domainPlugins(origin)},
	})
	if err != nil {
		return nil, fmt.Errorf("the document of %s: %w", key, err)
	}
	return raw, nil
}

// pattern is the path of an endpoint, target a call of it.
func pattern(endpoint int) string { return fmt.Sprintf("/items%d/{id}", endpoint) }

func target(key string, endpoint int) string {
	return fmt.Sprintf("/%s/items%d/42?view=full", key, endpoint)
}

// method is that of the calls.
func (s *Setup) method() string {
	if s.Echo {
		return "POST"
	}
	return "GET"
}

func (s *Setup) domainPlugins(origin string) object {
	plugins := object{"HTTP_PROXY": object{"url": origin}}
	if beans := append(s.beans(OnDomain), s.beans(OnCaller)...); beans != nil {
		plugins["USAGE_QUOTA"] = object{"usageQuotaBeans": beans}
	}
	switch s.Auth {
	case HMAC:
		plugins["HMAC"] = object{"secretKey": secret, "clockSkew": clockSkew}
	case SingleUse:
		plugins["HMAC"] = object{"secretKey": secret, "clockSkew": singleUseSkew, "singleUse": true}
	case APIKey:
		plugins["API_KEY"] = object{}
	case JWT:
		plugins["JWT"] = object{"secretKey": secret, "clockSkew": clockSkew, "issuer": issuer}
	}
	if s.Pipeline {
		plugins["IPACL"] = object{"isPermit": true, "ipList": []object{{"ip": "10.0.0.0/8"}, {"ip": "127.0.0.0/8"}, {"ip": "2001:db8::/32"}}}
		plugins["URI_REWRITE"] = object{"uriPattern": "/{kind}/{id}", "rewriteUri": "/v1/{kind}/{id}"}
	}
	return plugins
}

func (s *Setup) endpointPlugins() object {
	plugins := object{}
	if beans := s.beans(OnEndpoint); beans != nil {
		plugins["ENDPOINT_USAGE_QUOTA"] = object{"usageQuotaBeans": beans}
	}
	if s.Pipeline {
		plugins["HEADER"] = object{
			"requestHeaders":  object{"X-Gateway": "tollgate", "Cookie": "c=1"},
			"responseHeaders": object{"X-Gateway": "tollgate", "Cache-Control": "no-store"},
		}
	}
	if s.Units > 1 {
		plugins["USAGE_COST"] = object{"units": s.Units}
	}
	if s.Mock {
		plugins["MOCK"] = object{"statusCode": 200, "headers": object{"Content-Type": "application/json"}, "body": mockBody}
	}
	return plugins
}

// beans are the conditions in force at a place; nil if there are none.
func (s *Setup) beans(on Place) []object {
	var list []object
	for _, q := range s.Quotas {
		if q.On != on {
			continue
		}
		bean := object{"maxUsageQuota": q.Limit, "resetTimeSeconds": int64(q.Window / time.Second)}
		if on == OnCaller {
			bean["by"] = "header:" + callerField
			if s.Auth == APIKey {
				bean["by"] = "consumer"
			}
		}
		list = append(list, bean)
	}
	return list
}
