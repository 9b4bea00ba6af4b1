package node

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tollgate/tollgate/proxy"
)

// EnvPrefix begins the names of all environment variables.
const EnvPrefix = "TOLLGATE_"

// Kind is what a setting holds, and the word for it in the help.
type Kind string

// The kinds. The values are string, of lists []string, bool, time.Duration, int,
// float64 and Size.
const (
	Text     Kind = "string"
	Address  Kind = "HOST:PORT"
	File     Kind = "PATH"
	List     Kind = "URL,..."
	Files    Kind = "PATH,..."
	Subnets  Kind = "CIDR,..."
	Toggle   Kind = "bool"
	Duration Kind = "duration"
	Number   Kind = "int"
	Bytes    Kind = "SIZE" // 65536, 64KiB, 10MiB
	Ratio    Kind = "0..1"
)

// IsList reports whether the kind's value is a list.
func (k Kind) IsList() bool { return k == List || k == Files || k == Subnets }

// Setting is one value that a node is configured with: the flag --Name, an
// environment variable, and a key of the configuration file. Settings declares
// them all; flags, their help, the checks and docs/settings.md come from there.
type Setting struct {
	Name string
	Kind Kind
	// Default is what the setting is where nobody sets it; nil is empty.
	Default any
	// Low and High bound durations, numbers and sizes; nil is no bound. A
	// duration of at least a nanosecond is "more than 0".
	Low, High any
	// OneOf lists the allowed texts, if they are few.
	OneOf []string
	// Help is a line for people, Note what the reference says besides.
	Help, Note string

	// field is where the value is kept in Config, a pointer; nil for what is
	// used before there is a Config.
	field func(*Config) any
	// limit is the setting's name in proxy.Config, from which default and bounds
	// come.
	limit string
}

// SettingNamed finds a setting.
func SettingNamed(name string) (Setting, bool) {
	i := slices.IndexFunc(Settings, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return Setting{}, false
	}
	return Settings[i], true
}

// SettingNames are the names of all settings.
func SettingNames() []string {
	names := make([]string, len(Settings))
	for i, s := range Settings {
		names[i] = s.Name
	}
	return names
}

// Env is the setting's environment variable.
func (s Setting) Env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// Parse reads the setting from text, as flag and environment give it. Bounds
// are for Config.Validate to look at.
func (s Setting) Parse(text string) (any, error) {
	switch s.Kind {
	case Toggle:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("must be true or false, is %q", text)
		}
		return b, nil
	case Duration:
		d, err := time.ParseDuration(text)
		if err == nil && d == 0 && s.Low == time.Duration(0) {
			return d, nil
		}
		if err != nil || d <= 0 {
			return nil, fmt.Errorf("must be a duration above 0, such as 500ms or 2s, is %q", text)
		}
		return d, nil
	case Number:
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("must be a whole number above 0, is %q", text)
		}
		return n, nil
	case Bytes:
		if text == "0" && s.Low == Size(0) {
			return Size(0), nil
		}
		return parseSize(text)
	case List, Files, Subnets:
		return splitList(text)
	case Ratio:
		r, err := strconv.ParseFloat(text, 64)
		if err != nil || !(r >= 0 && r <= 1) {
			return nil, fmt.Errorf("must be a number from 0 to 1, such as 0.01, is %q", text)
		}
		return r, nil
	}
	if s.OneOf != nil && !slices.Contains(s.OneOf, text) {
		return nil, fmt.Errorf("must be one of %s, is %q", strings.Join(s.OneOf, ", "), text)
	}
	return text, nil
}

func splitList(text string) ([]string, error) {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			return nil, errors.New("has an empty item; put one comma between items")
		}
		list = append(list, item)
	}
	return list, nil
}

// Put keeps a value of the setting's kind in a configuration.
func (s Setting) Put(c *Config, value any) {
	if s.field == nil || value == nil {
		return
	}
	switch to := s.field(c).(type) {
	case *string:
		*to = value.(string)
	case *[]string:
		*to = value.([]string)
	case *bool:
		*to = value.(bool)
	case *float64:
		*to = value.(float64)
	case *time.Duration:
		*to = value.(time.Duration)
	case *int64:
		*to = int64(value.(Size))
	case *int:
		if size, ok := value.(Size); ok {
			*to = int(size)
			return
		}
		*to = value.(int)
	}
}

// Value is what a configuration says of the setting, nil where it is not kept
// there.
func (s Setting) Value(c *Config) any {
	if s.field == nil {
		return nil
	}
	switch at := s.field(c).(type) {
	case *string:
		return *at
	case *[]string:
		return *at
	case *bool:
		return *at
	case *float64:
		return *at
	case *time.Duration:
		return *at
	case *int64:
		return Size(*at)
	case *int:
		if s.Kind == Bytes {
			return Size(*at)
		}
		return *at
	}
	return nil
}

// settleBounds puts in the defaults of what is zero and lists what is out of
// bounds.
func (c *Config) settleBounds() (errs []error) {
	limits := map[string]*proxy.OutOfBounds{}
	for _, p := range c.DataPlane.OutOfBounds() {
		limits[p.Setting] = p
	}
	for _, s := range Settings {
		if s.limit != "" {
			if p := limits[s.limit]; p != nil {
				errs = append(errs, fmt.Errorf("--%s %v: must be %s", s.Name, p.Value, s.rawBounds()))
			}
			continue
		}
		if s.field == nil || s.Low == nil {
			continue
		}
		switch at := s.field(c).(type) {
		case *time.Duration:
			errs = append(errs, settleOne(s, at)...)
		case *int:
			errs = append(errs, settleOne(s, at)...)
		case *int64:
			errs = append(errs, settleOne(s, (*Size)(at))...)
		}
	}
	return errs
}

func settleOne[T int | Size | time.Duration](s Setting, at *T) []error {
	if *at == 0 {
		*at = s.Default.(T)
	}
	if *at < s.Low.(T) || *at > s.High.(T) {
		return []error{fmt.Errorf("--%s %v: must be %s", s.Name, *at, s.Bounds())}
	}
	return nil
}

// Bounds says what the setting may be, in words; empty where it has no bounds.
func (s Setting) Bounds() string {
	switch {
	case s.OneOf != nil:
		return strings.Join(s.OneOf, ", ")
	case s.Low == nil:
		return ""
	case s.Low == time.Duration(1):
		return fmt.Sprintf("more than 0 and at most %v", s.High)
	case s.Low == time.Duration(0):
		return fmt.Sprintf("0 to %v", s.High)
	}
	return fmt.Sprintf("%v to %v", s.Low, s.High)
}

// rawBounds are the bounds with sizes as numbers, as the value is shown.
func (s Setting) rawBounds() string {
	if low, ok := s.Low.(Size); ok {
		return fmt.Sprintf("%d to %d", int64(low), int64(s.High.(Size)))
	}
	return s.Bounds()
}
