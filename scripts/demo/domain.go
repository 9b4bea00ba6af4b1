package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

// petstore is the domain of the demo, for the endpoint server at the default
// base port.
//
//go:embed petstore.json
var petstore []byte

// quota is one usage quota condition.
type quota struct {
	Max     int `json:"maxUsageQuota"`
	Seconds int `json:"resetTimeSeconds"`
}

// domain is what the demo deploys and knows of it.
type domain struct {
	key      string
	quota    quota // of the whole domain
	document []byte
}

// path is the endpoint that is called, as clients see it. It has no quota of
// its own.
func (d domain) path() string { return "/" + d.key + "/pets" }

// newDomain is the document for an endpoint server at base. What the demo
// says of its quota it reads there, so that nobody has to keep both alike.
func newDomain(base basePort) (domain, error) {
	document := bytes.ReplaceAll(petstore, []byte(defaultBase.endpoint()), []byte(base.endpoint()))
	var swagger struct {
		BasePath  string `json:"basePath"`
		Extension struct {
			Plugins struct {
				UsageQuota struct {
					Beans []quota `json:"usageQuotaBeans"`
				} `json:"USAGE_QUOTA"`
			} `json:"plugins"`
		} `json:"x-toastcloud-apigw"`
	}
	if err := json.Unmarshal(document, &swagger); err != nil {
		return domain{}, fmt.Errorf("petstore.json: %w", err)
	}
	beans := swagger.Extension.Plugins.UsageQuota.Beans
	if len(beans) != 1 || beans[0].Max < 1 || beans[0].Seconds < 1 {
		return domain{}, fmt.Errorf("petstore.json: the domain must have one quota condition, has %v", beans)
	}
	return domain{key: strings.TrimPrefix(swagger.BasePath, "/"), quota: beans[0], document: document}, nil
}
