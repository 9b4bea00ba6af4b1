import { get } from "../api.js";
import { el, paged, table, when } from "../dom.js";

// audit lists who changed what.
export async function audit() {
  const list = await get("/v1/audit?limit=1000");
  return el("div", {}, el("h1", {}, "Audit"), el("section", { class: "card" }, list.length === 0 ? el("p", {}, "Nothing was changed yet.")
    : paged("a change", list, (a) => [a.at, a.name, a.action, a.domain, a.address].join(" "), (rows) => table("Changes, the newest first", [
      { title: "At", cell: (a) => when(a.at) },
      { title: "Who", cell: (a) => a.name || "–" },
      { title: "Role", cell: (a) => a.role || "–" },
      { title: "From", cell: (a) => el("span", { class: "mono" }, a.address || "–") },
      { title: "Action", cell: (a) => a.action },
      { title: "Domain", cell: (a) => (a.domain ? el("a", { href: "#/domains/" + encodeURIComponent(a.domain) }, a.domain) : "–") },
      { title: "Revision", number: true, cell: (a) => a.revision || "–" },
    ], rows))));
}
