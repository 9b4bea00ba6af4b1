package console

import (
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var pictures = flag.String("pictures", "", "directory that gets pictures of the pages")

// patience is how long a page may take to show what is waited for.
const patience = time.Minute

// browser is a tab, and what went wrong in it.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	faults []string
	hosts  map[string]bool
	// expected are parts of faults that a test brings about.
	expected []string
}

// open starts Chromium with one tab.
func open(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if *pictures != "" {
		if err := os.MkdirAll(*pictures, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if path == "" {
		t.Skip("there is no Chromium (apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true))
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocated, chromedp.WithErrorf(func(string, ...any) {})) // events that it does not know
	t.Cleanup(end)
	b := &browser{t: t, ctx: ctx, hosts: map[string]bool{}}
	chromedp.ListenTarget(ctx, b.heard)
	if err := chromedp.Run(ctx, network.Enable(), log.Enable(), runtime.Enable()); err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	return b
}

// heard notes what the page must not do.
func (b *browser) heard(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, "exception: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			b.faults = append(b.faults, fmt.Sprintf("console: %s", e.Args[0].Value))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			b.faults = append(b.faults, "log: "+e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; strings.HasPrefix(url, "http") {
			b.hosts[strings.Split(url, "/")[2]] = true
		}
	}
}

// sound fails the test if the page did what it must not.
func (b *browser) sound(host string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fault := range b.faults {
		known := false
		for _, part := range b.expected {
			known = known || strings.Contains(fault, part)
		}
		if !known {
			b.t.Error(fault)
		}
	}
	for other := range b.hosts {
		if other != host {
			b.t.Errorf("a request went to %s", other)
		}
	}
}

func (b *browser) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval runs an expression in the page.
func eval[T any](b *browser, expression string) (value T) {
	b.t.Helper()
	b.run(chromedp.Evaluate(expression, &value))
	return value
}

// text is what the page shows.
func (b *browser) text() string { return eval[string](b, "document.body.innerText") }

// sees waits until the page shows a text.
func (b *browser) sees(text string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(b.text(), text); time.Sleep(50 * time.Millisecond) { // between two looks
		if time.Now().After(deadline) {
			b.picture("failed")
			b.t.Fatalf("the page does not show %q, but:\n%s", text, b.text())
		}
	}
}

// focused is the name of what has the focus: its label, or its text.
func (b *browser) focused() string {
	return eval[string](b, `(() => { const e = document.activeElement; return e.getAttribute("aria-label") || e.labels?.[0]?.innerText || e.innerText || e.id || e.tagName; })()`)
}

// tabTo presses Tab until something of a name has the focus, as a person would who cannot
// use a mouse.
func (b *browser) tabTo(name string) {
	b.t.Helper()
	for range 200 {
		if strings.HasPrefix(strings.TrimSpace(b.focused()), name) {
			return
		}
		b.run(chromedp.KeyEvent(kb.Tab))
	}
	b.picture("failed")
	b.t.Fatalf("the keyboard does not reach %q on:\n%s", name, b.text())
}

// press goes to something by the keyboard and presses Enter.
func (b *browser) press(name string) {
	b.t.Helper()
	b.tabTo(name)
	b.run(chromedp.KeyEvent(kb.Enter))
}

// enter types into a field.
func (b *browser) enter(label, text string) {
	b.t.Helper()
	b.tabTo(label)
	b.run(chromedp.ActionFunc(func(ctx context.Context) error { return input.InsertText(text).Do(ctx) }))
}

// goes follows the address of a page.
func (b *browser) goes(url string) { b.t.Helper(); b.run(chromedp.Navigate(url)) }

// picture leaves a picture of the page, if pictures are wanted.
func (b *browser) picture(name string) {
	if *pictures == "" {
		return
	}
	var png []byte
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		png, err = page.CaptureScreenshot().Do(ctx)
		return err
	}))
	if err := os.WriteFile(filepath.Join(*pictures, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// shot leaves one of the pictures that the README has, if pictures are wanted.
func (b *browser) shot(name string) {
	b.run(emulation.SetDeviceMetricsOverride(1100, 620, 1, false), chromedp.Evaluate("scrollTo(0, 0)", nil))
	b.picture(name)
	b.run(emulation.ClearDeviceMetricsOverride())
}

// each leaves pictures at both widths, light and dark, and checks the page at each.
func (b *browser) each(name string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 400} {
			b.run(emulation.SetDeviceMetricsOverride(width, 900, 1, width == 400),
				emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
			for _, fault := range eval[[]string](b, audit) {
				b.t.Errorf("%s, %s, %d pixels: %s", name, scheme, width, fault)
			}
			b.picture(fmt.Sprintf("%s-%d-%s", name, width, scheme))
		}
	}
	b.run(emulation.ClearDeviceMetricsOverride(), emulation.SetEmulatedMedia().WithFeatures(nil))
}

// drop drops a file on the place for it.
func (b *browser) drop(name, content string) {
	b.t.Helper()
	b.run(chromedp.Evaluate(fmt.Sprintf(`(() => {
		const data = new DataTransfer();
		data.items.add(new File([atob(%q)], %q));
		document.querySelector(".drop").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
	})()`, base64.StdEncoding.EncodeToString([]byte(content)), name), nil))
}

// audit checks a page against WCAG 2.1: 1.3.1 and 4.1.2 (names), 1.4.3 (contrast), 1.4.10
// (reflow), 2.4.3 (no positive tab index), 3.1.1 (language). It gives what is wrong.
const audit = `(() => {
	const faults = [];
	const shown = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== "hidden";
	for (const e of document.querySelectorAll("input, select, textarea")) {
		if (shown(e) && !e.labels.length && !e.getAttribute("aria-label")) faults.push("no label: " + e.outerHTML.slice(0, 80));
	}
	for (const e of document.querySelectorAll("button, a[href]")) {
		if (shown(e) && !(e.getAttribute("aria-label") || e.innerText).trim()) faults.push("no name: " + e.outerHTML.slice(0, 80));
	}
	for (const e of document.querySelectorAll("img")) if (!e.hasAttribute("alt")) faults.push("no alt");
	for (const e of document.querySelectorAll("[tabindex]")) if (e.tabIndex > 0) faults.push("tab index " + e.tabIndex);
	if (!document.documentElement.lang) faults.push("no language");
	if (document.querySelectorAll("h1").length !== 1) faults.push(document.querySelectorAll("h1").length + " first headings");
	const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
	for (const id of new Set(ids.filter((one, i) => ids.indexOf(one) !== i))) faults.push("two elements are " + id);
	if (document.documentElement.scrollWidth > innerWidth) faults.push("the page is " + document.documentElement.scrollWidth + " pixels wide");
	const parse = (color) => { const n = color.match(/[\d.]+/g).map(Number); return n.length > 3 && n[3] === 0 ? null : n; };
	const light = (rgb) => { const [r, g, b] = rgb.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement;
		if (!walk.currentNode.textContent.trim() || !shown(e) || e.closest(":disabled, .skip, svg, noscript, datalist")) continue;
		let ground = null;
		for (let at = e; at && !ground; at = at.parentElement) ground = parse(getComputedStyle(at).backgroundColor);
		const a = light(parse(getComputedStyle(e).color)), b = light(ground ?? [255, 255, 255]);
		const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (contrast < 4.5) faults.push("contrast " + contrast.toFixed(1) + ": " + walk.currentNode.textContent.trim().slice(0, 40));
	}
	return faults;
})()`
