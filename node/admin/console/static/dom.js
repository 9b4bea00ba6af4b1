// Builds the page of elements. Text becomes text: nothing that a server says is ever
// read as HTML.

// el makes an element: el("a", {href: "#", onclick: f, class: "x"}, "text", child…).
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return made;
}

// svg makes an SVG element.
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// field is a control with its label.
export function field(text, control) {
  control.id ||= "f" + ++fields;
  return el("div", { class: "grow" }, el("label", { for: control.id }, text), control);
}
let fields = 0;

// table makes a table of columns {title, number, cell(row)}.
export function table(caption, columns, rows) {
  const head = columns.map((c) => el("th", { scope: "col", class: c.number && "number" }, c.title));
  const body = rows.map((row) => el("tr", {}, columns.map((c) => el("td", { class: c.number && "number" }, c.cell(row)))));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)));
}

// put has a view show these, and nothing else.
export const put = (view, ...children) => view.replaceChildren(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));

// say tells of an outcome, for screen readers too.
export function say(text, kind = "good") {
  said = performance.now();
  document.getElementById("status").replaceChildren(el("p", { class: "notice " + kind }, text));
}

let said = -Infinity;

// hush takes back what was said, unless it was said on the way to this page.
export function hush() {
  if (performance.now() - said > 500) document.getElementById("status").replaceChildren();
}

// ask has a question answered in a dialog. It gives true, or what was typed.
export function ask(title, text, act, { danger = false, input } = {}) {
  return new Promise((done) => {
    const typed = input && el("input", { type: "text", autocomplete: "off" });
    const box = el("dialog", { "aria-label": title },
      el("form", { method: "dialog" },
        el("h2", {}, title), el("p", {}, text), typed && field(input, typed),
        el("div", { class: "row" },
          el("button", { value: "yes", class: danger ? "danger" : "main" }, act),
          el("button", { value: "no", formnovalidate: true }, "Cancel"))));
    box.addEventListener("close", () => {
      box.remove();
      done(box.returnValue === "yes" ? (typed ? typed.value : true) : null);
    });
    document.body.append(box);
    box.showModal();
  });
}

export const number = (n) => (n ?? 0).toLocaleString("en");
export const when = (text) => (text ? new Date(text).toLocaleString("en", { dateStyle: "medium", timeStyle: "medium" }) : "–");

// paged shows many rows, 100 at a time, filtered by a text.
export function paged(what, rows, text, show) {
  const most = 100;
  const filter = el("input", { type: "search" });
  const list = el("div", {});
  const pages = el("div", { class: "row" });
  let page = 0;
  const draw = () => {
    const wanted = filter.value.toLowerCase();
    const found = rows.filter((row) => text(row).toLowerCase().includes(wanted));
    const last = Math.max(0, Math.ceil(found.length / most) - 1);
    page = Math.min(page, last);
    list.replaceChildren(show(found.slice(page * most, page * most + most)));
    const turn = (by, label) => el("button", { type: "button", disabled: page + by < 0 || page + by > last, onclick: () => { page += by; draw(); } }, label);
    pages.replaceChildren(...(last === 0 ? [el("span", { class: "soft" }, `${number(found.length)} of ${number(rows.length)}`)]
      : [turn(-1, "Previous"), el("span", {}, `page ${page + 1} of ${last + 1}, ${number(found.length)} of ${number(rows.length)}`), turn(1, "Next")]));
  };
  filter.addEventListener("input", () => { page = 0; draw(); });
  draw();
  return el("div", {}, el("div", { class: "row" }, field("Find " + what, filter)), list, pages);
}
