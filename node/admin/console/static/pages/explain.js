import { post } from "../api.js";
import { el, field } from "../dom.js";

// explain asks what a node would do with a call, without making it.
export async function explain({ failed }) {
  const method = el("select", {}, ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].map((m) => el("option", {}, m)));
  const url = el("input", { type: "text", required: true, placeholder: "/shop/orders/7?full=true", spellcheck: "false" });
  const address = el("input", { type: "text", placeholder: "192.0.2.7" });
  const headers = el("textarea", { spellcheck: "false", placeholder: "Authorization: hmac …\nX-TC-Timestamp: …" });
  const result = el("div", { "aria-live": "polite" });
  const form = el("form", { class: "card" },
    el("div", { class: "row" }, field("Method", method), field("Path and query", url), field("Client's address, if it matters", address)),
    field("Headers, one a line", headers),
    el("p", {}, el("button", { class: "main" }, "Explain")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = {};
    for (const line of headers.value.split("\n")) {
      const colon = line.indexOf(":");
      if (colon > 0) (fields[line.slice(0, colon).trim()] ??= []).push(line.slice(colon + 1).trim());
    }
    const asked = { method: method.value, url: url.value.trim(), headers: fields };
    if (address.value) asked.clientIp = address.value.trim();
    try {
      result.replaceChildren(told(await post("/v1/explain", asked)));
    } catch (error) {
      failed(error);
    }
  });
  return el("div", {}, el("h1", {}, "Explain"), el("p", { class: "soft" }, "What this node would do with a call, and why. Nothing is called, and nothing is counted."), form, result);
}

const kinds = { pass: "good", refuse: "bad", answer: "good", call: "good" };

function told(e) {
  const answer = (a) => `${a.status}${a.resultMessage ? ", " + a.resultMessage : ""}`;
  return el("section", { class: "card" },
    el("h2", {}, e.answer ? `The gateway answers ${answer(e.answer)}` : e.call ? "The endpoint server is called" : "Only a real call shows"),
    el("p", {}, e.domain ? `Domain ${e.domain.key}` : "No domain has this path", e.endpoint ? `, endpoint ${e.endpoint.method} ${e.endpoint.pattern}` : ""),
    el("ol", {}, e.plugins.map((p) => el("li", {},
      el("strong", {}, p.plugins.join(", ")), " ", el("span", { class: "tag " + (kinds[p.decision] ?? "soft") }, p.decision), " ", p.reason,
      p.answer && el("div", {}, answer(p.answer)),
      p.stringToSign && el("div", {}, "The string that is signed:", el("pre", {}, p.stringToSign))))),
    e.call && el("div", {}, el("h3", {}, "The call of the endpoint server"), el("pre", {}, `${e.call.method} ${e.call.url}`),
      el("dl", {}, Object.entries(e.call.setHeaders ?? {}).map(([name, value]) => [el("dt", {}, el("code", {}, name)), el("dd", { class: "mono" }, value)]))));
}
