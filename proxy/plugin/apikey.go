package plugin

import (
	"crypto/sha256"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/store/catalog"
)

// Keys knows whose the API keys of a domain are.
type Keys interface {
	// Consumer is the consumer that has the key of a digest, and its plan, which may be
	// empty. It does not block, and may be called at the same time.
	Consumer(domain string, key [sha256.Size]byte) (id, plan string, ok bool)
}

// apiKey is API_KEY: the client must send the key of a consumer.
type apiKey struct {
	keys   Keys
	domain string
	header []byte
}

// consumerID is the field that tells the endpoint server who calls.
var consumerID = []byte("X-Consumer-Id")

func buildAPIKey(env *Env, d *catalog.Domain) (Step, error) {
	from := d.Plugins.APIKey
	if from == nil {
		return nil, nil
	}
	k := &apiKey{keys: env.Keys, domain: d.Key, header: []byte(catalog.DefaultAPIKeyHeader)}
	if from.Header != "" {
		k.header = []byte(from.Header)
	}
	return k, nil
}

func (k *apiKey) Serve(c *Call) (answered bool, err error) {
	fields := c.Request.Fields
	value, _ := fields.Value(k.header)
	// Nobody behind the gateway gets the key, nor what a client says of itself.
	fields.Mark(k.header, header.Replaced)
	fields.Mark(consumerID, header.Replaced)
	if len(value) == 0 {
		return false, envelope.KeyUnknown
	}
	id, plan, ok := k.keys.Consumer(k.domain, sha256.Sum256(value))
	if !ok {
		return false, envelope.KeyUnknown
	}
	c.Consumer, c.ConsumerPlan = id, plan
	n := c.counting()
	n.consumer = header.AppendLine(n.consumer[:0], consumerID, []byte(id))
	c.Upstream.Consumer = n.consumer
	return false, nil
}

// Explain implements Step.
func (k *apiKey) Explain(c *Call) Finding {
	if _, err := k.Serve(c); err != nil {
		if _, sent := c.Request.Fields.Value(k.header); !sent {
			return refuse(envelope.KeyUnknown, string(k.header)+" is missing")
		}
		return refuse(envelope.KeyUnknown, string(k.header)+" holds the key of no consumer of this domain")
	}
	return pass("the key is that of the consumer " + c.Consumer)
}
