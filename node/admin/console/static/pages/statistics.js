import { domain as at, get } from "../api.js";
import { chart } from "../chart.js";
import { el, field, number, paged, table } from "../dom.js";

const spans = [
  ["The last hour, by minute", 3600, 60], ["The last day, by minute", 86400, 60],
  ["The last week, by 10 minutes", 7 * 86400, 600], ["The last 90 days, by day", 90 * 86400, 86400], ["The last 2 years, by day", 730 * 86400, 86400],
];

// statistics shows what became of the calls of a domain over time.
export async function statistics({ every, failed, signal }, key) {
  if (!key) {
    const list = await get("/v1/domains");
    return el("div", {}, el("h1", {}, "Statistics"), el("section", { class: "card" }, list.length === 0 ? el("p", {}, "There is no domain yet.")
      : paged("a domain", list, (d) => d.key + d.name, (rows) => table("Domains", [
        { title: "Domain", cell: (d) => el("a", { href: "#/statistics/" + encodeURIComponent(d.key) }, d.key) },
        { title: "Name", cell: (d) => d.name },
      ], rows))));
  }
  const span = el("select", {}, spans.map(([title], i) => el("option", { value: i }, title)));
  const endpoint = el("input", { type: "text", placeholder: "GET /orders/{id}", list: "endpoints" });
  const known = el("datalist", { id: "endpoints" });
  const shown = el("div", { "aria-live": "off" });
  async function draw() {
    const [, seconds, step] = spans[span.value];
    const to = Math.ceil(Date.now() / 1000 / step) * step;
    const query = new URLSearchParams({ from: to - seconds, to, step });
    if (endpoint.value) query.set("endpoint", endpoint.value);
    let stats;
    try {
      stats = await get(`${at(key)}/stats?${query}`, { signal });
    } catch (error) {
      if (error.status !== 422) throw error; // as of a domain with 10,000 endpoints, by minute
      shown.replaceChildren(el("p", { class: "card warn", role: "alert" }, error.message, ". Choose an endpoint, or longer steps."));
      return;
    }
    known.replaceChildren(...[...new Set(stats.points.map((p) => p.endpoint))].slice(0, 200).map((e) => el("option", { value: e })));
    shown.replaceChildren(...view(stats));
  }
  span.addEventListener("change", () => draw().catch(failed));
  endpoint.addEventListener("change", () => draw().catch(failed));
  await draw();
  every(5, async () => { if (!shown.contains(document.activeElement) && !shown.querySelector("details[open]")) await draw(); });
  return el("div", {}, el("h1", {}, "Statistics of ", el("a", { href: "#/domains/" + encodeURIComponent(key) }, key)),
    el("div", { class: "row" }, field("Time", span), field("Endpoint", endpoint), known), shown);
}

function view(stats) {
  const s = stats.sum;
  const ms = (n) => `${n.toLocaleString("en", { maximumFractionDigits: n < 10 ? 2 : 0 })} ms`;
  const figures = [
    ["Successes", number(s.successes)], ["Failures", number(s.failures)], ["Answered by the gateway", number(s.byGateway)], ["Total", number(s.total)],
    ["Mean time", ms(s.meanMillis)], ["Bytes out", bytes(s.bytesOut)], ["p50", ms(s.p50Millis)], ["p99", ms(s.p99Millis)],
  ];
  const byTime = new Map();
  const byEndpoint = new Map();
  for (const p of stats.points) {
    add(byTime, p.at, p);
    add(byEndpoint, p.endpoint, p);
  }
  const times = [];
  for (let t = stats.from; t < stats.to; t += stats.step) times.push(t);
  const line = (name, of, none = 0) => ({ name, values: times.map((t) => (byTime.has(t) ? of(byTime.get(t)) : none)) });
  const refusals = Object.entries(s.refusals ?? {}).sort((a, b) => b[1] - a[1]);
  return [
    stats.missing.length > 0 && el("p", { class: "card warn", role: "alert" }, `Without what ${stats.missing.join(", ")} has: it does not answer.`),
    el("dl", { class: "figures" }, figures.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    s.total === 0 && el("p", { class: "card" }, "No call was answered in this time."),
    chart("Calls", "calls a step", times, [line("successes", (p) => p.successes), line("failures", (p) => p.failures), line("answered by the gateway", (p) => p.byGateway)]),
    chart("Time of an answer, percentiles of the slowest endpoint", "ms", times, [line("mean", (p) => p.millis / Math.max(1, p.total), null), line("p50", (p) => p.p50, null), line("p99", (p) => p.p99, null)]),
    chart("Bytes out", "bytes a step", times, [line("bytes out", (p) => p.bytesOut)], bytes),
    el("section", { class: "card" }, refusals.length === 0 ? el("p", {}, "The gateway refused no call.") : table("Refusals by code", [
      { title: "Code", cell: ([code]) => code }, { title: "Calls", number: true, cell: ([, n]) => number(n) }], refusals)),
    el("section", { class: "card" }, paged("an endpoint", [...byEndpoint], ([name]) => name, (rows) => table("By endpoint", [
      { title: "Endpoint", cell: ([name]) => el("code", {}, name || "(none matched)") },
      { title: "Total", number: true, cell: ([, p]) => number(p.total) }, { title: "Successes", number: true, cell: ([, p]) => number(p.successes) },
      { title: "Failures", number: true, cell: ([, p]) => number(p.failures) }, { title: "Mean ms", number: true, cell: ([, p]) => (p.millis / Math.max(1, p.total)).toFixed(2) },
    ], rows))),
  ].filter(Boolean);
}

// add adds a point up. Percentiles do not add up: the slowest endpoint's are shown.
function add(sums, key, p) {
  const s = sums.get(key) ?? { successes: 0, failures: 0, byGateway: 0, total: 0, millis: 0, bytesOut: 0, p50: 0, p99: 0 };
  for (const name of ["successes", "failures", "byGateway", "total", "bytesOut"]) s[name] += p[name];
  s.millis += p.meanMillis * p.total;
  s.p50 = Math.max(s.p50, p.p50Millis);
  s.p99 = Math.max(s.p99, p.p99Millis);
  sums.set(key, s);
}

function bytes(n) {
  for (const unit of ["B", "kB", "MB", "GB", "TB"]) {
    if (n < 1000 || unit === "TB") return `${n.toLocaleString("en", { maximumFractionDigits: 1 })} ${unit}`;
    n /= 1000;
  }
}
