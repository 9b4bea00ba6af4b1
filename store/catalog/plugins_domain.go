package catalog

import (
	"net/netip"
	"strings"

	"github.com/tollgate/tollgate/store/quota"
)

const (
	maxClockSkew = 86_400 // seconds
	maxCORSAge   = 86_400 // seconds
	maxIPs       = 10_000
)

func readIPACL(o *object) *IPACL {
	const want = `a list of at least one {"ip":"192.0.2.0/24"}`
	acl := &IPACL{IsPermit: o.boolean("isPermit", true, "true (only the listed addresses may call) or false (all but them)")}
	items := o.array("ipList", true, want)
	if len(items) > maxIPs {
		o.p.fail(items[maxIPs], "there are %d entries, at most %d are allowed", len(items), maxIPs)
		return acl
	}
	for _, item := range items {
		entry, ok := o.p.object(item, `an object such as {"ip":"192.0.2.0/24"}`)
		if !ok {
			continue
		}
		acl.IPList = append(acl.IPList, IPIn{IP: entry.ip("ip")})
		entry.done("an entry of ipList")
	}
	return acl
}

// ip reads an address or a subnet. IPv4 inside IPv6 has two spellings, of
// which one would slip through a list of the other: it is refused.
func (o *object) ip(name string) string {
	const want = `an IPv4 or IPv6 address or subnet, such as "192.0.2.1" or "2001:db8::/32"`
	v, ok := o.need(name, want)
	if !ok {
		return ""
	}
	s, ok := o.p.text(v, want)
	if !ok {
		return ""
	}
	addr, err := netip.ParseAddr(s)
	var subnet netip.Prefix
	if err != nil {
		subnet, err = netip.ParsePrefix(s)
		addr = subnet.Addr()
	}
	switch {
	case err != nil || addr.Zone() != "":
		o.p.wrong(v, want)
	case addr.Is4In6() && subnet.Bits() >= 96:
		o.p.fail(v, "%s is IPv4 written as IPv6: write %s/%d", show(v), addr.Unmap(), subnet.Bits()-96)
	case addr.Is4In6():
		o.p.fail(v, "%s is IPv4 written as IPv6: write %s", show(v), addr.Unmap())
	}
	return s
}

func readMaintenance(o *object) *Maintenance {
	return &Maintenance{
		IsUse:    o.boolean("isUse", true, "true (answer every call so) or false (keep the setting without acting on it)"),
		Response: readResponse(o),
	}
}

func readHMAC(o *object) *HMAC {
	// No default: 0 switches the time check off, which nobody should get by
	// forgetting a field.
	h := &HMAC{
		SecretKey: o.secret("secretKey"), ClockSkew: o.integer("clockSkew", 0, maxClockSkew),
		SingleUse: o.boolean("singleUse", false, "true (a signature is good once) or false"),
	}
	if v, _ := o.take("singleUse"); h.SingleUse && h.ClockSkew == 0 {
		o.p.fail(v, "needs a clockSkew of at least 1: signatures that never grow old would have to be remembered for ever")
	} else if h.SingleUse {
		rate := quota.MaxClaims / (2*h.ClockSkew + 10)
		o.p.warn(v, "the cluster remembers %d used signatures, and so takes up to %d calls/s with a clockSkew of %d s; a smaller one takes more", quota.MaxClaims, rate, h.ClockSkew)
	}
	return h
}

func readJWT(o *object) *JWT {
	return &JWT{
		SecretKey: o.secret("secretKey"),
		ClockSkew: o.integerOrZero("clockSkew", maxClockSkew),
		Issuer:    o.text("issuer", false, "a string"),
	}
}

func readCORS(o *object) *CORS {
	c := &CORS{
		AllowedOrigins:    o.strings("allowedOrigins", true, `a list of at least one origin, such as "https://example.com", or "*"`, originFault),
		AllowedMethods:    o.strings("allowedMethods", false, `a list of methods, such as "GET", or "*"`, methodFault),
		AllowedHeaders:    o.strings("allowedHeaders", false, `a list of header names, or "*"`, tokenFault),
		ExposedHeaders:    o.strings("exposedHeaders", false, `a list of header names, or "*"`, tokenFault),
		MaxCredentialsAge: o.integerOrZero("maxCredentialsAge", maxCORSAge),
		AllowCredentials:  o.boolean("allowCredentials", false, "true or false"),
	}
	if !c.AllowCredentials {
		return c
	}
	// With credentials browsers take "*" for a name like any other, so that
	// it allows nothing in the other lists either (Fetch standard, 3.3.3).
	for _, name := range []string{"allowedOrigins", "allowedMethods", "allowedHeaders", "exposedHeaders"} {
		for _, list := range find([]value{o.in}, []string{name}) {
			if list.kind() != kindArray && list.kind() != kindString {
				continue
			}
			for _, item := range o.listed(name, false, "") {
				if item.kind() == kindString && item.text() == "*" {
					o.p.fail(item, `"*" does not go with allowCredentials true: list what is allowed, or set allowCredentials to false`)
				}
			}
		}
	}
	return c
}

func methodFault(s string) string {
	if upper := strings.ToUpper(s); s != upper && isMethod(upper) {
		return "is not " + quote(upper) + ": methods are in upper case"
	}
	return tokenFault(s)
}

func tokenFault(s string) string {
	if !isToken(s) {
		return "must be letters, digits and !#$%&'*+-.^_`|~ only"
	}
	return ""
}
