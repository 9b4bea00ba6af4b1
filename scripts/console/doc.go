// Package console is a test: the console of a real cluster in Chromium, driven by the
// keyboard as far as a person could. It is skipped where there is no Chromium. With
// -pictures DIR it leaves pictures of all pages there.
package console
