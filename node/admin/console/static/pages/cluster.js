import { get, post } from "../api.js";
import { el, number, paged, put, say, table } from "../dom.js";

// cluster shows the members, and what the node that answers says of itself.
export async function cluster({ every, may, failed, ask }) {
  const view = el("div", {});
  const act = (done, run) => async () => {
    try {
      await run();
      say(done);
      await draw();
    } catch (error) {
      failed(error);
    }
  };
  const transfer = (member) => act(`${member.id} leads now.`, () => post("/v1/cluster/transfer", { id: member.id }));
  const leave = (member) => async () => {
    const sure = await ask(`Let ${member.id} leave?`, "It serves nothing any more, and comes back only with an empty data directory.", "Let it leave", { danger: true });
    if (sure) act(`${member.id} has left the cluster.`, () => post("/v1/cluster/leave", { id: member.id }))();
  };

  async function draw() {
    const [status, ready] = await Promise.all([get("/v1/cluster?clocks=true"), readiness()]);
    const members = status.members ?? [];
    const newest = Math.max(0, ...members.map((m) => m.appliedIndex));
    const gone = members.filter((m) => !m.reachable);
    const columns = [
      { title: "Member", cell: (m) => el("strong", {}, m.id) },
      { title: "Role", cell: (m) => (m.id === status.leader ? el("span", { class: "tag good" }, "leader") : m.voter ? m.role || "voter" : "without a vote") },
      { title: "Health", cell: (m) => el("span", { class: "tag " + (m.reachable ? "good" : "bad") }, m.reachable ? "answers" : "does not answer") },
      { title: "Lag", number: true, cell: (m) => (m.reachable ? number(newest - m.appliedIndex) : "–") },
      { title: "Clock", cell: (m) => clock(m) },
      { title: "Version", cell: (m) => m.version || "–" },
      { title: "Rules", number: true, cell: (m) => m.rules || "–" },
      { title: "Clients at", cell: (m) => el("span", { class: "mono" }, m.proxyAddress) },
    ];
    if (may("admin")) {
      columns.push({
        title: "Actions", cell: (m) => el("div", { class: "row" },
          m.voter && m.id !== status.leader && el("button", { onclick: transfer(m), "aria-label": `Have ${m.id} lead` }, "Lead"),
          el("button", { class: "danger", onclick: leave(m), "aria-label": `Let ${m.id} leave` }, "Leave")),
      });
    }
    const show = (rows) => table("Members. The lag is in entries of the log.", columns, rows);
    const focused = document.activeElement?.getAttribute?.("aria-label");
    put(view,
      el("h1", {}, "Cluster"),
      !status.leader && el("p", { class: "card bad", role: "alert" }, "No leader is known: without a majority of the voters no quota is decided by the log, and nothing can be changed."),
      gone.length > 0 && el("p", { class: "card bad", role: "alert" }, `${gone.map((m) => m.id).join(", ")} ${gone.length === 1 ? "does" : "do"} not answer.`),
      el("dl", { class: "figures" }, ...[
        ["Leader", status.leader || "none"], ["Members", number(members.length)], ["Term", number(status.term)],
        ["Newest entry applied", number(newest)],
      ].map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
      el("p", { class: "soft" }, "Cluster ", el("code", {}, status.clusterId || "none")),
      el("section", { class: "card" }, members.length > 20 ? paged("a member", members, (m) => m.id + m.proxyAddress, show) : show(members)),
      el("section", { class: "card" }, el("h2", {}, "This node"),
        el("ul", {}, ready.map((line) => el("li", { class: line.endsWith(": ok") ? "" : "bad" }, line)))));
    if (focused) view.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
  }
  await draw();
  every(2, async () => { if (!document.querySelector("dialog[open]")) await draw(); });
  return view;
}

// clock is how far a member's clock is ahead of the answering node's.
function clock(m) {
  if (m.clockAheadSeconds === undefined || !m.reachable) return "–";
  const ahead = m.clockAheadSeconds;
  return el("span", { class: Math.abs(ahead) > 1 ? "bad" : "" }, `${ahead > 0 ? "+" : ""}${ahead.toFixed(2)} s`);
}

// readiness is the lines of /readyz, which is no JSON.
async function readiness() {
  const answer = await fetch("/readyz", { cache: "no-store" });
  return (await answer.text()).trim().split("\n");
}
