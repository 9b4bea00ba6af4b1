import { call, domain as at, get, post } from "../api.js";
import { el, field, number, paged, say, table, when } from "../dom.js";

const link = (key, tab) => `#/domains/${encodeURIComponent(key)}${tab ? "/" + tab : ""}`;

// domains lists them, and takes documents.
export async function domains({ may, failed, reload }) {
  const list = await get("/v1/domains");
  return el("div", {},
    el("h1", {}, "Domains"),
    may("deploy") && taking(null, { failed, reload }),
    el("section", { class: "card" }, list.length === 0 ? el("p", {}, "There is no domain yet.")
      : paged("a domain", list, (d) => d.key + " " + d.name, (rows) => table("Domains", [
        { title: "Key", cell: (d) => el("a", { href: link(d.key) }, d.key) },
        { title: "Name", cell: (d) => d.name },
        { title: "Endpoints", number: true, cell: (d) => number(d.endpoints) },
        { title: "Draft", number: true, cell: (d) => d.draftRevision },
        { title: "Live", number: true, cell: (d) => live(d) },
      ], rows))));
}

const live = (d) => (d.deployedRevision ? (d.deployedRevision === d.draftRevision ? d.deployedRevision : el("span", { class: "warn" }, `${d.deployedRevision}, not the draft`)) : el("span", { class: "warn" }, "not deployed"));

// taking is where a document is dropped or chosen: of a domain, or of any.
function taking(key, { failed, reload }) {
  const file = el("input", { type: "file", accept: ".json,.yaml,.yml,application/json,application/yaml" });
  const server = el("input", { type: "url", placeholder: "https://api.example" });
  const note = el("input", { type: "text", maxlength: "200" });
  const deploy = el("input", { type: "checkbox" });
  const outcome = el("div", { "aria-live": "polite" });
  async function take(chosen) {
    if (!chosen) return;
    const yaml = /\.ya?ml$/i.test(chosen.name);
    const query = new URLSearchParams();
    if (!key) query.set("replace", "true");
    if (server.value) query.set("endpointServer", server.value);
    if (note.value) query.set("note", note.value);
    if (deploy.checked) query.set("deploy", "true");
    outcome.replaceChildren();
    try {
      const saved = await call(key ? "PUT" : "POST", `${key ? at(key) : "/v1/domains"}?${query}`, { body: await chosen.text(), type: yaml ? "application/yaml" : "application/json" });
      say(`${saved.key}: revision ${saved.revision} is ${saved.deployed ? "live" : "the draft"}.${waiting(saved)}`);
      if (saved.warnings?.length) outcome.replaceChildren(el("h3", { class: "warn" }, "Warnings"), problems(saved.warnings), el("p", {}, el("a", { href: link(saved.key) }, "Open " + saved.key)));
      else if (key) reload();
      else location.hash = link(saved.key);
    } catch (error) {
      if (error.problems?.length) outcome.replaceChildren(el("h3", { class: "bad" }, error.message), problems(error.problems));
      failed(error);
    } finally {
      file.value = "";
    }
  }
  file.addEventListener("change", () => take(file.files[0]));
  const drop = el("div", { class: "drop" }, field(key ? "A new draft: drop a Swagger or OpenAPI file here, or choose one" : "Import: drop a Swagger or OpenAPI file here, or choose one", file));
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files[0]); });
  deploy.id = "deploy-at-once";
  return el("section", { class: "card", "aria-label": "Import" },
    el("div", { class: "row" }, field("Endpoint server, if the file names none", server), field("Note", note)),
    el("div", { class: "row" }, deploy, el("label", { for: deploy.id }, "Deploy it at once")),
    drop, outcome);
}

const waiting = (saved) => (saved.pending?.length ? ` ${saved.pending.join(", ")} did not say yet that it serves it.` : "");
const problems = (list) => el("ul", {}, list.map((p) => el("li", {}, p.path && el("code", {}, p.path), " ", p.message)));

const tabs = [["", "Draft and live"], ["endpoints", "Endpoints"], ["history", "History"], ["import", "Import"]];

// domain shows one of them.
export async function domain(context, key, tab = "") {
  const { may, failed, ask, reload } = context;
  const list = await get("/v1/domains");
  const d = list.find((one) => one.key === key);
  if (!d) return el("div", { class: "card", role: "alert" }, el("h1", {}, "Not found"), el("p", {}, `There is no domain ${key}.`), el("a", { href: "#/domains" }, "All domains"));
  const act = async (run) => {
    try {
      await run();
      reload();
    } catch (error) {
      failed(error);
    }
  };
  const deploy = () => act(async () => {
    const saved = await post(at(key) + "/deploy");
    say(`Revision ${saved.revision} is live.${waiting(saved)}`);
  });
  const remove = async () => {
    const typed = await ask(`Delete ${key}?`, "The domain goes with its quotas, consumers and history, on all nodes.", "Delete it", { danger: true, input: `Type ${key} to confirm` });
    if (typed === null) return;
    if (typed !== key) return say(`Nothing was deleted: that is not ${key}.`, "warn");
    try {
      await call("DELETE", `${at(key)}?confirm=${encodeURIComponent(typed)}`);
      say(`${key} is deleted.`);
      location.hash = "#/domains";
    } catch (error) {
      failed(error);
    }
  };
  const shown = { "": difference, endpoints, history, import: () => taking(key, context) }[tab] ?? difference;
  return el("div", {},
    el("h1", {}, d.name === key ? key : `${d.name} (${key})`),
    el("div", { class: "row" }, el("span", {}, "Draft: revision ", String(d.draftRevision)), el("span", {}, "Live: ", live(d)),
      el("a", { href: `#/quotas/${encodeURIComponent(key)}` }, "Quotas"), el("a", { href: `#/statistics/${encodeURIComponent(key)}` }, "Statistics"),
      may("deploy") && el("button", { class: "main", disabled: d.deployedRevision === d.draftRevision, onclick: deploy }, "Deploy the draft"),
      may("admin") && el("button", { class: "danger", onclick: remove }, "Delete…")),
    el("nav", { class: "tabs", "aria-label": "Parts of the domain" }, tabs.filter(([name]) => name !== "import" || may("deploy"))
      .map(([name, title]) => el("a", { href: link(key, name), "aria-current": name === tab && "page" }, title))),
    await shown(d, { ...context, act }));
}

async function difference(d) {
  if (!d.deployedRevision) return el("p", { class: "card" }, "The draft is not deployed yet: there is nothing live to compare it with.");
  const diff = await get(at(d.key) + "/diff");
  return el("section", { class: "card" }, el("h2", {}, `Live revision ${diff.deployedRevision} and draft revision ${diff.draftRevision}`),
    changes(diff.changes, "deployed", "draft", diff.truncated));
}

// changes shows where two documents differ, the one before at the left.
function changes(list, was, is, truncated) {
  if (list.length === 0) return el("p", {}, "They are equal.");
  const text = (value) => (value === undefined ? "(not there)" : typeof value === "string" ? value : JSON.stringify(value, null, 2));
  return el("div", {}, list.map((c) => el("div", { class: "diff" }, el("h3", {}, el("code", {}, c.path || "(all of it)")),
    el("pre", { class: c[was] === undefined ? "" : "was", "aria-label": "before" }, "− ", text(c[was])),
    el("pre", { class: c[is] === undefined ? "" : "is", "aria-label": "after" }, "+ ", text(c[is])))),
    truncated && el("p", { class: "warn" }, "There are more differences than are shown."));
}

async function endpoints(d) {
  const document = await call("GET", at(d.key) + (d.deployedRevision ? "?deployed=true" : ""));
  const rows = [];
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(item)) {
      if (["get", "put", "post", "delete", "options", "head", "patch"].includes(method)) {
        rows.push({ method: method.toUpperCase(), path, plugins: Object.keys(operation?.["x-toastcloud-apigw"]?.plugins ?? {}) });
      }
    }
  }
  return el("section", { class: "card" }, el("h2", {}, d.deployedRevision ? "Endpoints that are live" : "Endpoints of the draft"),
    paged("an endpoint", rows, (r) => r.method + " " + r.path, (some) => table("Endpoints", [
      { title: "Method", cell: (r) => r.method },
      { title: "Pattern", cell: (r) => el("code", {}, r.path) },
      { title: "Plugins of its own", cell: (r) => r.plugins.join(", ") || "–" },
    ], some)));
}

async function history(d, { may, act, failed }) {
  const list = await get(at(d.key) + "/revisions");
  const compared = el("div", { "aria-live": "polite" });
  const compare = async (from) => {
    try {
      const diff = await get(`${at(d.key)}/diff?from=${from}`);
      compared.replaceChildren(el("section", { class: "card" }, el("h2", {}, `Revision ${diff.from} and the draft, ${diff.to}`), changes(diff.changes, "from", "to", diff.truncated)));
    } catch (error) {
      failed(error);
    }
  };
  const back = (revision) => act(async () => {
    const saved = await post(at(d.key) + "/deploy", { revision });
    say(`Revision ${saved.revision} is live again.${waiting(saved)}${(saved.warnings ?? []).map((w) => " " + w.message).join("")}`);
  });
  const columns = [
    { title: "Revision", number: true, cell: (r) => r.revision },
    { title: "Saved", cell: (r) => when(r.at) },
    { title: "By", cell: (r) => r.name || "–" },
    { title: "Note", cell: (r) => r.note || "–" },
    { title: "", cell: (r) => (r.deployed ? el("span", { class: "tag good" }, "live") : "") },
    { title: "Actions", cell: (r) => el("div", { class: "row" },
      el("button", { onclick: () => compare(r.revision), "aria-label": `Compare revision ${r.revision} with the draft` }, "Compare"),
      may("deploy") && !r.deployed && el("button", { onclick: () => back(r.revision), "aria-label": `Make revision ${r.revision} live` }, "Make it live")) },
  ];
  return el("div", {}, el("section", { class: "card" }, table("Revisions, the newest first", columns, list)), compared);
}
