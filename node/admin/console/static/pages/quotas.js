import { domain as at, get, post } from "../api.js";
import { el, number, paged, put, say, svg, table, when } from "../dom.js";

// quotas shows how far the quotas of a domain are used, as they are used.
export async function quotas(context, key) {
  if (!key) {
    const list = (await get("/v1/domains")).filter((d) => d.deployedRevision);
    return el("div", {}, el("h1", {}, "Quotas"), el("section", { class: "card" }, list.length === 0 ? el("p", {}, "No domain is deployed yet.")
      : paged("a domain", list, (d) => d.key + d.name, (rows) => table("Domains that are live", [
        { title: "Domain", cell: (d) => el("a", { href: "#/quotas/" + encodeURIComponent(d.key) }, d.key) },
        { title: "Name", cell: (d) => d.name },
      ], rows))));
  }
  const { every, may, failed, ask } = context;
  const view = el("div", {});
  const seen = new Map(); // used before, by condition, for the projected end
  const reset = (c) => async () => {
    const sure = await ask("Reset this quota?", "What was used of it counts as not used, on all nodes, and a new window begins.", "Reset it", { danger: true });
    if (!sure) return;
    const asked = { window: c.period ? c.period.unit : c.resetTimeSeconds };
    if (c.endpoint !== null) asked.endpoint = c.endpoint;
    if (c.shadow) asked.shadow = true;
    try {
      await post(at(key) + "/quota/reset", asked);
      say("The quota is reset.");
      await draw();
    } catch (error) {
      failed(error);
    }
  };
  async function draw() {
    const { conditions, top } = await get(at(key) + "/quota?top=20&holders=true");
    const focused = document.activeElement?.getAttribute?.("aria-label");
    put(view,
      el("h1", {}, "Quotas of ", el("a", { href: "#/domains/" + encodeURIComponent(key) }, key)),
      el("section", { class: "card" }, conditions.length === 0 ? el("p", {}, "The live document has no quota.") : table("Conditions. Units that are held are leased to nodes, and may come back.", [
        { title: "Counts", cell: (c) => c.endpoint ?? "all calls" },
        { title: "By", cell: (c) => c.by || "all together" },
        { title: "Window", cell: (c) => span(c) },
        { title: "Used", cell: (c) => (c.callers === undefined ? meter(c) : `${number(c.callers)} callers`) },
        { title: "Held by", cell: (c) => Object.entries(c.holders ?? {}).sort().map(([node, n]) => `${node} ${number(n)}`).join(", ") || "–" },
        { title: "Phase", cell: (c) => (c.phase ? el("span", { class: "tag " + (c.phase === "exhausted" ? "bad" : "good") }, c.phase) : "–") },
        { title: "Window ends", cell: (c) => when(c.windowEndsAt) },
        { title: "Projected end", cell: (c) => projected(seen, c) },
        ...(may("admin") ? [{ title: "Actions", cell: (c) => (c.callers === undefined ? el("button", { onclick: reset(c), "aria-label": `Reset ${c.endpoint ?? "all calls"}, ${span(c)}` }, "Reset…") : "") }] : []),
      ], conditions)),
      top?.length ? el("section", { class: "card" }, table("Callers who have used most", [
        { title: "Counts", cell: (c) => c.endpoint ?? "all calls" },
        { title: "By", cell: (c) => c.by },
        { title: "Caller", cell: (c) => el("code", {}, c.caller || c.digest) },
        { title: "Used", cell: (c) => meter({ used: c.used, leased: 0, maxUsageQuota: c.windowMax }) },
        { title: "Window ends", cell: (c) => when(c.windowEndsAt) },
      ], top)) : "");
    if (focused) view.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
  }
  await draw();
  every(1, async () => { if (!document.querySelector("dialog[open]")) await draw(); });
  return view;
}

const span = (c) => (c.period ? `a ${c.period.unit}, ${c.period.timeZone}` : `${number(c.resetTimeSeconds)} s`);

// meter shows used and held units of the maximum.
function meter(c) {
  const max = c.windowMax ?? c.maxUsageQuota;
  const part = (n) => (max > 0 ? Math.min(100, (100 * n) / max) : 100);
  const used = part(c.used);
  const held = Math.min(100 - used, part(c.leased ?? 0));
  const text = `${number(c.used)} of ${number(max)}${c.leased ? `, ${number(c.leased)} held` : ""}${c.lost ? `, ${number(c.lost)} lost` : ""}`;
  return el("div", {}, svg("svg", { class: "meter", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "track", width: 100, height: 10 }), svg("rect", { class: "used" + (used >= 100 ? " full" : ""), width: used, height: 10 }),
    svg("rect", { class: "held", x: used, width: held, height: 10 })), el("span", {}, text));
}

// projected is when the quota will be used up at the rate of the last half minute.
function projected(seen, c) {
  const name = JSON.stringify([c.endpoint, c.by, span(c)]);
  const past = (seen.get(name) ?? []).filter((p) => p.window === c.windowId && Date.now() - p.at < 30000);
  past.push({ at: Date.now(), used: c.used, window: c.windowId });
  seen.set(name, past);
  const left = (c.windowMax ?? c.maxUsageQuota) - c.used;
  if (c.callers !== undefined || c.windowEndsAt === null) return "–";
  if (left <= 0) return el("span", { class: "bad" }, "used up");
  const seconds = (Date.now() - past[0].at) / 1000;
  const rate = seconds > 0 ? (c.used - past[0].used) / seconds : 0;
  if (rate <= 0) return "not at this rate";
  const end = Date.now() + (1000 * left) / rate;
  return end >= Date.parse(c.windowEndsAt) ? "after the window" : el("span", { class: "warn" }, when(new Date(end).toISOString()));
}
