// Signs in, and shows the page that the address names.

import { call, get, listen, Refused, setToken } from "./api.js";
import { ask, el, field, hush, say } from "./dom.js";
import { audit } from "./pages/audit.js";
import { cluster } from "./pages/cluster.js";
import { domain, domains } from "./pages/domains.js";
import { explain } from "./pages/explain.js";
import { quotas } from "./pages/quotas.js";
import { statistics } from "./pages/statistics.js";

const pages = [
  { at: "cluster", title: "Cluster", show: cluster },
  { at: "domains", title: "Domains", show: domains },
  { at: "quotas", title: "Quotas", show: quotas },
  { at: "statistics", title: "Statistics", show: statistics },
  { at: "explain", title: "Explain", show: explain },
  { at: "audit", title: "Audit", show: audit },
];
const ranks = ["metrics", "read", "deploy", "admin"];
const main = document.getElementById("main");
const nav = document.getElementById("nav");
const who = document.getElementById("who");

let caller = null;
let shown = null; // ends what the page before left running
let events = null;

// may tells whether the caller's role allows what another needs.
const may = (role) => ranks.indexOf(caller?.role) >= ranks.indexOf(role);

async function signIn(message) {
  shown?.abort();
  events?.abort();
  caller = null;
  nav.hidden = true;
  who.replaceChildren();
  const input = el("input", { type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const form = el("form", { class: "card signin" },
    el("h1", {}, "Sign in"),
    message && el("p", { class: "bad", role: "alert" }, message),
    field("Token", input),
    el("p", { class: "soft" }, "One of the node's --admin-token-file. It is kept in this tab only, until it is closed."),
    el("button", { class: "main" }, "Sign in"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    setToken(input.value.trim());
    enter();
  });
  main.replaceChildren(form);
  document.title = "Sign in – Tollgate";
  input.focus();
}

async function enter() {
  try {
    caller = await get("/v1/whoami");
  } catch (error) {
    if (error.status === 401) {
      const given = sessionStorage.length > 0;
      setToken("");
      return signIn(given ? error.message : "");
    }
    main.replaceChildren(trouble(error));
    return;
  }
  who.replaceChildren(
    el("span", {}, caller.name ? `${caller.name}, ${caller.role}` : caller.role),
    caller.name ? el("button", { onclick: () => { setToken(""); hush(); signIn(); } }, "Sign out") : "");
  events?.abort();
  events = new AbortController();
  if (may("read")) listen(heard, events.signal);
  show();
}

// heard tells of an event of the cluster.
function heard(event) {
  const of = event.endpoint ? `${event.domain}, ${event.endpoint}` : event.domain;
  if (event.type === "quotaAlert") say(`The quota of ${of} is used to ${event.percent} %.`, "warn");
  else say(`${of} has more callers than maxCallers: new ones share a counter.`, "warn");
  window.dispatchEvent(new CustomEvent("tollgate", { detail: event }));
}

// trouble is the view of what could not be shown.
function trouble(error) {
  const titles = { 0: "The node does not answer", 403: "Your role does not allow this", 404: "Not found", 503: "The cluster cannot answer now" };
  return el("div", { class: "card", role: "alert" },
    el("h1", {}, titles[error.status] ?? "That did not work"), el("p", {}, error.message),
    error.status === 503 && el("p", { class: "soft" }, "Without a majority of the voters nothing can be read consistently or changed. Domains are served all the same."),
    el("button", { onclick: show }, "Try again"));
}

// failed shows what went wrong with an action, or has the caller sign in.
function failed(error) {
  if (error.name === "AbortError") return;
  if (error instanceof Refused && error.status === 401) {
    setToken("");
    signIn(error.message);
    return;
  }
  const problems = error.problems?.map((p) => (p.path ? `${p.path}: ${p.message}` : p.message)) ?? [];
  say([error.message, ...problems].join(" – "), "bad");
}

async function show() {
  if (!caller) return;
  shown?.abort();
  const signal = (shown = new AbortController()).signal;
  const [at, ...rest] = location.hash.replace(/^#\//, "").split("/").map(decodeURIComponent);
  const page = pages.find((p) => p.at === at) ?? pages[0];
  nav.replaceChildren(...pages.map((p) => el("a", { href: "#/" + p.at, "aria-current": p === page && "page" }, p.title)));
  nav.hidden = false;
  document.title = `${rest[0] ? rest[0] + " – " : ""}${page.title} – Tollgate`;
  const context = {
    signal, may, failed, ask, call,
    // every runs something now and then while the page is shown and seen.
    every(seconds, run) {
      const timer = setInterval(() => document.hidden || run().catch(failed), seconds * 1000);
      signal.addEventListener("abort", () => clearInterval(timer));
    },
    reload: show,
  };
  main.setAttribute("aria-busy", "true");
  try {
    const view = await (page.at === "domains" && rest[0] ? domain : page.show)(context, ...rest);
    if (signal.aborted) return;
    main.replaceChildren(...[view].flat());
  } catch (error) {
    if (signal.aborted) return;
    if (error.status === 401) return failed(error);
    if (!(error instanceof Refused)) console.error(error);
    main.replaceChildren(trouble(error));
  } finally {
    if (!signal.aborted) main.removeAttribute("aria-busy");
  }
}

window.addEventListener("hashchange", () => {
  hush();
  show().then(() => main.focus());
});
enter();
