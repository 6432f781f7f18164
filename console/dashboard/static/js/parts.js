// Parts that several screens share: panels, gauges, tables, sparks.
import { h, s } from "/static/js/dom.js";
import { none } from "/static/js/format.js";
import { icon } from "/static/js/icons.js";

export const panel = (attrs, ...children) => h("section", { ...attrs, class: `panel ${attrs.class || ""}`.trim() }, children);

export const head = (title, sub, right) =>
  h("div", { class: "head" }, h("h2", {}, title), sub ? h("p", {}, sub) : null, right ? h("div", { class: "right" }, right) : null);

export const title = (name, sub, ...right) =>
  h("div", { class: "title", "data-key": "title" }, h("h1", {}, name), sub ? h("p", {}, sub) : null, right.length ? h("div", { class: "right" }, right) : null);

export const nothingYet = (name) => [
  title(name),
  panel({ class: "empty", "data-key": "none" }, h("h2", {}, "Nothing has run here yet"), h("p", {}, "Start a plant: vpp up")),
];

export function table({ label, columns, rows, selected = null, onSelect = null, caption = null, key = null, foot = null }) {
  const cell = (column, row, at) =>
    h(at === 0 ? "th" : "td", { class: column.class || null, scope: at === 0 ? "row" : null }, column.cell(row));
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": label, "data-key": key },
    h(
      "table",
      {},
      caption ? h("caption", { class: "sr" }, caption) : null,
      h("thead", {}, h("tr", {}, columns.map((c) => h("th", { class: c.class || null, scope: "col" }, c.name)))),
      h(
        "tbody",
        {},
        rows.map((row, n) =>
          h(
            "tr",
            {
              "data-row": n,
              class: onSelect ? "pick" : null,
              "aria-selected": null,
              "data-selected": selected === n,
              tabindex: onSelect ? (selected === n || (selected === null && n === 0) ? 0 : -1) : null,
              onclick: onSelect ? () => onSelect(n) : null,
              onkeydown: onSelect ? (event) => rowKey(event, n, rows.length, onSelect) : null,
            },
            columns.map((c, at) => cell(c, row, at)),
          ),
        ),
      ),
      foot ? h("tfoot", {}, foot) : null,
    ),
  );
}

function rowKey(event, n, count, onSelect) {
  const to = { ArrowDown: n + 1, j: n + 1, ArrowUp: n - 1, k: n - 1, Enter: n, " ": n }[event.key];
  if (to === undefined || to < 0 || to >= count) return;
  event.preventDefault();
  event.stopPropagation();
  const body = event.currentTarget.parentElement;
  onSelect(to);
  body.children[to]?.focus();
}

// A bar = now, a triangle = next, a thick tick = limit, on one track. Values are scaled to `from..to`.
export function gauge({ from = 0, to = 1, value = null, start = null, next = null, limit = null, tone = "ink", zero = false, ends = null }) {
  const width = 200;
  const place = (v) => (width * Math.min(Math.max((v - from) / (to - from || 1), 0), 1)).toFixed(1);
  const base = start ?? Math.max(from, 0);
  const parts = [s("rect", { class: "track", x: 0, y: 6, width, height: 5 })];
  for (const [a, b] of ends || []) {
    parts.push(s("rect", { class: "end", x: place(a), y: 6, width: Math.max(place(b) - place(a), 0).toFixed(1), height: 5 }));
  }
  if (!none(value)) {
    const [a, b] = [Number(place(Math.min(base, value))), Number(place(Math.max(base, value)))];
    parts.push(s("rect", { class: tone, x: a, y: 6, width: Math.max(b - a, 1), height: 5 }));
  }
  if (zero) parts.push(s("rect", { class: "zero", x: Number(place(0)) - 0.5, y: 4, width: 1, height: 9 }));
  if (!none(limit)) parts.push(s("rect", { class: "tick", x: Number(place(limit)) - 0.9, y: 2, width: 1.8, height: 13 }));
  if (!none(next)) {
    const x = Number(place(next));
    parts.push(s("path", { class: "mark", d: `M${x - 3.6} 0.500h7.200l-3.600 4z` }));
  }
  return s("svg", { class: "gauge", viewBox: `0 0 ${width} 16`, preserveAspectRatio: "none", "aria-hidden": "true" }, parts);
}

// The range that a small line is drawn in: of its values and of `ends`, without the few that lie further from the rest
// than the rest is wide. One faulty reading would make a flat line of a day. Return [bottom, top].
export function robustRange(values, ends = []) {
  const known = values.filter((v) => !none(v)).sort((a, b) => a - b);
  const fixed = ends.filter((v) => !none(v));
  const around = (from, to) => [Math.min(known[from], ...fixed), Math.max(known.at(-1 - to), ...fixed)];
  const few = known.length < 8 ? 0 : Math.max(1, Math.floor(known.length / 16));
  const [low, high] = around(few, few);
  const reach = high - low;
  if (!few || !reach) return around(0, 0);
  return around(known.findIndex((v) => v >= low - reach), known.toReversed().findIndex((v) => v <= high + reach));
}

// Values beyond the robust range stand at the edge, marked and named; `words` writes one.
export function spark(values, { width = 120, height = 20, ends = [], tone = "ink-2", limit = null, words }) {
  const known = values.filter((v) => !none(v));
  if (!known.length) return h("span", { class: "quiet" }, "n/a");
  const [bottom, top] = robustRange(values, [...ends, limit]);
  const inside = (v) => Math.min(Math.max(v, bottom), top);
  const y = (v) => (height - 2 - ((height - 4) * (inside(v) - bottom)) / (top - bottom || 1)).toFixed(1);
  const x = (n) => ((width * n) / Math.max(values.length - 1, 1)).toFixed(1);
  let path = "";
  const gaps = [];
  const beyond = [];
  let gapFrom = null;
  values.forEach((v, n) => {
    if (none(v)) {
      gapFrom ??= n;
      return;
    }
    if (gapFrom !== null) gaps.push([gapFrom, n]);
    path += `${path && gapFrom === null ? "L" : "M"}${x(n)} ${y(v)}`;
    gapFrom = null;
    if (v !== inside(v)) beyond.push([n, v]);
  });
  if (gapFrom !== null) gaps.push([gapFrom, values.length]);
  const mark = ([n, v]) => {
    const at = Math.min(Math.max(Number(x(n)), 3), width - 3).toFixed(1);
    return s("path", { class: "beyond", d: v > top ? `M${at} 0l3 5h-6z` : `M${at} ${height}l3 -5h-6z` });
  };
  const drawn = s(
    "svg",
    { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" },
    gaps.map(([a, b]) => s("rect", { class: "gap", x: x(Math.max(a - 0.5, 0)), y: 0, width: Math.max(x(b - 0.5) - x(Math.max(a - 0.5, 0)), 4), height })),
    none(limit) ? null : s("path", { class: "limit", d: `M0 ${y(limit)}H${width}` }),
    s("path", { class: `stroke-${tone}`, d: path }),
    beyond.map(mark),
  );
  if (!beyond.length) return drawn;
  const beyondText = `${beyond.length === 1 ? "1 value" : `${beyond.length} values`} beyond the scale: ${beyond.map(([, v]) => words(v)).join(", ")}`;
  return h("span", { class: "spark-box", title: beyondText }, drawn, h("span", { class: "sr" }, beyondText));
}

export const facts = (rows) => h("dl", { class: "facts" }, rows.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));

// Amounts that sum to a last one: a name, a bar from the middle to its side, the number.
export function signedBars(items, words, foot) {
  const top = Math.max(...items.map(([, v]) => Math.abs(v)), 1e-9);
  return h(
    "div",
    { class: "options costs" },
    items.map(([name, v]) => [
      h("span", {}, name),
      s("svg", { viewBox: "-60 0 120 12", preserveAspectRatio: "none", "aria-hidden": "true" }, s("rect", { class: "bar-ink", x: v < 0 ? (50 * v) / top : 0, y: 2, width: Math.max((50 * Math.abs(v)) / top, 0.5), height: 8 }), s("rect", { class: "bar-grey", x: -0.4, y: 0, width: 0.8, height: 12 })),
      h("span", { class: "n" }, words(v)),
    ]),
    [h("b", {}, foot[0]), h("span", {}), h("b", { class: "n" }, foot[1])],
  );
}

export const segments = (label, options, chosen, onChoose) =>
  h(
    "div",
    { class: "segments", role: "group", "aria-label": label },
    options.map(([value, name]) => h("button", { type: "button", "aria-pressed": String(value === chosen), onclick: () => onChoose(value) }, name)),
  );

export const state = (name, words) => h("span", { class: `state ${name}` }, icon(name), words);
export const chartSlot = (key, share, name, unit, readout, tall) =>
  h(
    "div",
    { class: "chart", "data-key": `chart-${key}`, "data-share": share, "data-tall": tall || null },
    h("div", { class: "chart-head" }, h("h3", {}, name, " ", h("span", {}, unit)), h("p", { "data-readout": key, "data-keep": true }, readout || "")),
    h("div", { class: "plot", role: "img", tabindex: 0, "data-chart": key, "data-keep": true, "aria-label": name }),
  );
