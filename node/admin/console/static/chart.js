// A chart of lines over time, in SVG, with a table behind it for those who cannot see it.

import { el, svg, table } from "./dom.js";

const height = 240, left = 62, right = 12, top = 12, bottom = 26;

// chart draws series of {name, values} at times, Unix seconds; null is no value.
export function chart(title, unit, times, series, shown = (n) => n.toLocaleString("en", { maximumFractionDigits: 2 })) {
  const width = Math.min(1150, Math.max(280, document.getElementById("main").clientWidth - 76));
  const most = nice(Math.max(1, ...series.flatMap((s) => s.values.filter((v) => v !== null))));
  const first = times[0], last = times.at(-1);
  const x = (t) => left + ((width - left - right) * (t - first)) / Math.max(1, last - first);
  const y = (v) => height - bottom - ((height - top - bottom) * v) / most;
  const picture = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}, in ${unit}; the table has the numbers` });
  for (let i = 0; i <= 4; i++) {
    const at = (most * i) / 4;
    picture.append(svg("line", { class: "axis", x1: left, x2: width - right, y1: y(at), y2: y(at) }),
      svg("text", { x: left - 6, y: y(at) + 4, "text-anchor": "end" }, shown(at)));
  }
  const labels = Math.min(times.length, width > 500 ? 5 : 3);
  for (let i = 0; i < labels; i++) {
    const t = times[Math.round(((times.length - 1) * i) / Math.max(1, labels - 1))];
    picture.append(svg("text", { x: x(t), y: height - 8, "text-anchor": i === 0 ? "start" : i === labels - 1 ? "end" : "middle" }, clock(t, last - first)));
  }
  series.forEach((s, n) => {
    let path = "", down = false;
    s.values.forEach((v, i) => {
      if (v === null) {
        down = false;
        return;
      }
      path += `${down ? "L" : "M"}${x(times[i]).toFixed(1)} ${y(v).toFixed(1)}`;
      if (!down && (s.values[i + 1] ?? null) === null) picture.append(svg("circle", { class: `c${n + 1}`, cx: x(times[i]), cy: y(v), r: 3 }));
      down = true;
    });
    picture.append(svg("path", { class: `line c${n + 1}`, d: path || "M0 0" }));
  });
  const cursor = svg("line", { class: "cursor", y1: top, y2: height - bottom, visibility: "hidden" });
  picture.append(cursor);
  const tip = el("p", { class: "tip" }, "");
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const t = first + ((((event.clientX - box.left) * width) / box.width - left) / (width - left - right)) * (last - first);
    let i = times.findIndex((one) => one >= t);
    if (i < 0) i = times.length - 1;
    if (i > 0 && t - times[i - 1] < times[i] - t) i--;
    cursor.setAttribute("x1", x(times[i]));
    cursor.setAttribute("x2", x(times[i]));
    cursor.setAttribute("visibility", "visible");
    tip.textContent = `${new Date(times[i] * 1000).toLocaleString("en")}: ` + series.map((s) => `${s.name} ${s.values[i] === null ? "–" : shown(s.values[i])}`).join(", ") + ` (${unit})`;
  });
  picture.addEventListener("pointerleave", () => cursor.setAttribute("visibility", "hidden"));
  const rows = times.map((t, i) => ({ t, i })).filter(({ i }) => series.some((s) => s.values[i]));
  return el("figure", { class: "card" },
    el("figcaption", {}, el("h2", {}, `${title} (${unit})`)),
    el("ul", { class: "key" }, series.map((s, n) => el("li", {}, svg("svg", { viewBox: "0 0 24 8", class: "chart", "aria-hidden": "true" }, svg("path", { class: `line c${n + 1}`, d: "M0 4h24" })), s.name))),
    picture, tip,
    el("details", {}, el("summary", {}, "As a table"), table(`${title}, in ${unit}`, [
      { title: "Time", cell: (r) => new Date(r.t * 1000).toLocaleString("en") },
      ...series.map((s) => ({ title: s.name, number: true, cell: (r) => (s.values[r.i] === null ? "–" : shown(s.values[r.i])) })),
    ], rows.slice(-500))));
}

// nice is the next round number.
function nice(n) {
  const power = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 2.5, 4, 5, 8, 10].map((f) => f * power).find((f) => f >= n);
}

function clock(t, span) {
  const at = new Date(t * 1000);
  if (span > 3 * 86400) return at.toLocaleDateString("en", { month: "short", day: "numeric" });
  return at.toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hour12: false });
}
