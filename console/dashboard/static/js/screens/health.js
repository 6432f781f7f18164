// Health: the chain of workers as a picture, store, model, dead letters, a topic's newest records, looking back.
import { get } from "/static/js/client.js";
import { h, s } from "/static/js/dom.js";
import { age, day, hm, near, none, number, power, powerUnit } from "/static/js/format.js";
import { icon } from "/static/js/icons.js";
import { chartSlot, facts, head, panel, table, title } from "/static/js/parts.js";
import { alarmLine } from "/static/js/screens/now.js";
import { scoreColumns, shownScores, skillSpec } from "/static/js/screens/forecasts.js";

export const name = "Health";

export function render(ctx) {
  const { body } = ctx;
  if (!body.chain) return [title(name)];
  return [
    title(name, summary(body)),
    chain(ctx),
    h(
      "div",
      { class: "columns health", "data-key": "grid" },
      h("div", { class: "stack", "data-key": "left" }, skill(ctx), letters(ctx)),
      h("div", { class: "stack", "data-key": "middle" }, store(ctx)),
      h("div", { class: "stack", "data-key": "right" }, model(ctx), data(ctx), back(ctx), peek(ctx)),
    ),
  ];
}

const BAD = ["silent", "stalled", "restarting", "lagging"];

function summary({ chain: workers, letters: dead }) {
  const running = workers.filter((one) => one.state === "running").length;
  const bad = workers.filter((one) => BAD.includes(one.state));
  const waits = workers.reduce((sum, one) => sum + (one.lag ?? 0), 0);
  const over = workers.length > 0 && workers.every((one) => one.state === "ended");
  const first = over ? "The run is over." : bad.length ? `${bad.map((one) => `${one.name} ${one.state}`).join(", ")}.` : running === workers.length ? `All ${workers.length} workers run,` : `${running} of ${workers.length} workers run,`;
  const backlog = waits ? `${number(waits, 0)} records wait` : first.endsWith(".") ? "Nothing waits" : "nothing waits";
  return `${first} ${backlog}, ${dead.length ? `${dead.length} dead letters` : "no dead letters"}.`;
}

// Where each worker stands in the picture: column and row on a grid.
const PLACES = { telemetry: [0, 1], forecast: [1, 1], actor: [2, 0], trader: [2, 1], orders: [2, 2], plant: [3, 1], storage: [4, 1] };
const WIRES = [
  ["telemetry", "forecast", "telemetry"],
  ["forecast", "actor", ""],
  ["forecast", "trader", "forecasts"],
  ["actor", "plant", ""],
  ["trader", "plant", "bids"],
  ["orders", "plant", ""],
  ["plant", "storage", "all topics"],
];

function chain(ctx) {
  const { body, frame } = ctx;
  const byName = new Map();
  for (const worker of body.chain) {
    const known = byName.get(worker.topology);
    byName.set(worker.topology, known ? merged(known, worker) : worker);
  }
  const [w, hh, gx, gy] = [180, 70, 65, 8];
  const at = ([col, row]) => [col * (w + gx), row * (hh + gy)];
  const width = 5 * w + 4 * gx;
  const height = 3 * hh + 2 * gy;
  const broken = new Set();
  for (const [from, to] of WIRES) if (broken.has(from) || ["silent", "absent"].includes(byName.get(from)?.state)) broken.add(to);
  const wires = WIRES.map(([from, to, words]) => {
    const [x0, y0] = at(PLACES[from]);
    const [x1, y1] = at(PLACES[to]);
    const [a, b, c, d] = [x0 + w, y0 + hh / 2, x1, y1 + hh / 2];
    const mid = (a + c) / 2;
    const dashed = broken.has(to) && (broken.has(from) || ["silent", "absent"].includes(byName.get(from)?.state));
    return [
      s("path", { class: `wire${dashed ? " broken" : ""}`, d: `M${a} ${b}C${mid} ${b} ${mid} ${d} ${c - 6} ${d}`, "marker-end": "url(#arrow)" }),
      words ? s("text", { class: "wire-name", x: mid, y: Math.min(b, d) + (from === "forecast" ? 16 : -8), "text-anchor": "middle" }, words) : null,
    ];
  });
  const nodes = Object.entries(PLACES).map(([topology, place]) => node(byName.get(topology) ?? { name: topology, state: "absent" }, at(place), w, hh, frame));
  return panel(
    { class: "chain", "data-key": "chain" },
    head("The chain", `from telemetry to the store, newest slot ${hm(frame.slot)}`),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "The chain of workers" },
      s(
        "svg",
        { class: "picture", viewBox: `-2 -2 ${width + 4} ${height + 4}`, role: "img", "aria-label": body.chain.map((one) => `${one.name} ${one.state}, lag ${one.lag ?? "unknown"}`).join("; ") },
        s("defs", {}, s("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, s("path", { class: "arrow", d: "M0 0.500L7 4L0 7.500z" }))),
        wires,
        nodes,
      ),
    ),
    h("details", {}, h("summary", { class: "link-like" }, "As a table"), workersTable(body, frame)),
    body.features.length ? featuresTable(body.features) : null,
  );
}

const merged = (a, b) => ({ ...a, name: a.topology, state: [a, b].find((one) => one.state !== "running")?.state ?? "running", lag: (a.lag ?? 0) + (b.lag ?? 0), processed: (a.processed ?? 0) + (b.processed ?? 0), per_s: (a.per_s ?? 0) + (b.per_s ?? 0), restarts: a.restarts + b.restarts });

function node(worker, [x, y], w, hh, frame) {
  const bad = BAD.includes(worker.state);
  const quiet = worker.state === "absent";
  // A node has room for one count beside the lag: the rate while it works, else what it has done.
  const works = !none(worker.per_s) && worker.per_s >= 0.05;
  const count = works ? `${number(worker.per_s, worker.per_s < 10 ? 1 : 0)} records/s` : `${number(worker.processed, 0)} records`;
  const line1 = quiet ? "not started" : `lag ${number(worker.lag, 0)} · ${count}`;
  const heard = none(worker.age_s) ? "" : `${age(worker.age_s)} ago`;
  // A node has room for one fact beside the slot: restarts before the age.
  const restarts = worker.restarts ? `${worker.restarts} restart${worker.restarts === 1 ? "" : "s"}` : "";
  const line2 = quiet ? "" : worker.cause || (worker.slot ? `slot ${near(worker.slot, frame.now)} · ${restarts || heard}` : restarts || `heard ${heard}`);
  const mark = bad ? icon("warning") : worker.state === "running" || worker.state === "ended" ? icon("normal") : null;
  if (mark) for (const [key, value] of Object.entries({ x: x + w - 24, y: y + 8, width: 15, height: 15 })) mark.setAttribute(key, value);
  return s("g", { class: `node${bad ? " bad" : ""}${quiet ? " absent" : ""}` }, s("rect", { x, y, width: w, height: hh, rx: 7 }), s("text", { class: "strong", x: x + 11, y: y + 19 }, worker.name), s("text", { x: x + 11, y: y + 38 }, line1), s("text", { x: x + 11, y: y + 56 }, line2), mark);
}

function workersTable(body, frame) {
  return table({
    label: "Workers",
    rows: body.chain,
    columns: [
      { name: "Worker", cell: (r) => r.name },
      { name: "State", cell: (r) => [r.state, r.cause ? h("span", { class: "quiet" }, ` ${r.cause}`) : null] },
      { name: "Lag", class: "n", cell: (r) => number(r.lag, 0) },
      { name: "Records", class: "n", cell: (r) => number(r.processed, 0) },
      { name: "Per second", class: "n", cell: (r) => number(r.per_s, 1) },
      { name: "Newest slot", class: "n", cell: (r) => (r.slot ? near(r.slot, frame.now) : "–") },
      { name: "Heard", class: "n", cell: (r) => (none(r.age_s) ? "–" : `${age(r.age_s)} ago`) },
      { name: "Restarts", class: "n", cell: (r) => r.restarts },
    ],
  });
}

function featuresTable(rows) {
  return table({
    label: "What the forecasts rest on",
    rows,
    columns: [
      { name: "Features of", cell: (r) => `${r.zone} ${r.target.replace("_", " ")}` },
      { name: "Lags", class: "n", cell: (r) => r.lags },
      { name: "Known", class: "n", cell: (r) => r.known },
      { name: "From the changelog", class: "n", cell: (r) => r.from_changelog },
      { name: "Imputed", class: "n", cell: (r) => r.imputed },
      { name: "Policies bid", cell: (r) => (r.ready ? "yes" : h("strong", {}, "not ready")) },
    ],
  });
}

function skill(ctx) {
  const rows = ctx.body.skill;
  return panel(
    { "data-key": "skill" },
    head("Forecast error by horizon", `net load of ${ctx.frame.zone}, ${ctx.body.error_power.unit}`),
    rows.length > 1
      ? [h("div", { class: "charts skill-chart" }, chartSlot("h-skill", "net", "", "")), table({ label: "Forecast error by horizon", rows: shownScores(rows).slice(0, 6), columns: scoreColumns(ctx.body.error_power).filter((one) => one.name !== "Scored") })]
      : h("p", { class: "quiet" }, "No scores yet."),
  );
}

function store(ctx) {
  const { store } = ctx.body;
  const names = { sqlite: "SQLite", influx: "InfluxDB" };
  return panel(
    { "data-key": "store" },
    head("Store", `${names[store.kind] ?? store.kind}, ${store.ok ? "answers" : "does not answer"}`),
    store.error ? h("p", { class: "problem" }, store.error) : null,
    store.tables.length
      ? table({
          label: "Tables of the store",
          rows: store.tables,
          columns: [
            { name: "Table", cell: (r) => h("span", { class: "plain" }, r.table) },
            { name: "Rows", class: "n", cell: (r) => number(r.rows, 0) },
            { name: "Newest", class: "n", cell: (r) => (r.wall ? h("span", { class: "quiet" }, "wall clock") : none(r.newest) ? "–" : near(r.newest, ctx.frame.now)) },
          ],
        })
      : h("p", { class: "quiet" }, "Being counted…"),
  );
}

function model(ctx) {
  const { model } = ctx.body;
  return panel(
    { "data-key": "model" },
    head("Model in force"),
    facts([
      ["Model", h("span", { class: "mono" }, model.model_id ?? "none")],
      ["Trained to", none(model.trained_to) ? "n/a" : `${day(model.trained_to, { year: true, week: false })}, ${model.age} ago`],
      ["Forecast from", model.source === "model" ? "model (no fallback)" : model.source ? `${model.source} fallback` : "nothing yet"],
    ]),
  );
}

function data(ctx) {
  const { channels, balance_mwh: off, letters: dead, alarms } = ctx.body;
  const bad = Object.entries(channels.bad);
  const open = alarms.filter((one) => one.open);
  return panel(
    { "data-key": "data" },
    head("Data"),
    open.length ? h("ul", { class: "alarms", tabindex: 0, "aria-label": "Open alarms" }, open.map((one) => alarmLine(one, ctx))) : null,
    facts([
      ["Dead letters", dead.length ? number(dead.length, 0) : "none"],
      ["Bad channels, newest slot", bad.length ? bad.map(([channel, why]) => `${channel} ${why}`).join(", ") : `none${channels.count ? ` of ${channels.count}` : ""}`],
      ["Last gap in net load", none(channels.last_gap) ? "none" : `${day(channels.last_gap)}, ${hm(channels.last_gap)}`],
      ["Energy balance", none(off) ? "n/a" : `${power(off, off < 1e-6 ? 0 : 4)} ${powerUnit()}h off`],
    ]),
  );
}

function letters(ctx) {
  const { letters: dead } = ctx.body;
  if (!dead.length) return panel({ "data-key": "letters" }, head("Dead letters"), h("p", { class: "quiet" }, "None. A record that cannot be used would stand here with its reason."));
  const groups = new Map();
  for (const one of dead) {
    const key = `${one.topic}: ${one.reason}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return panel(
    { "data-key": "letters" },
    head("Dead letters", `newest ${dead.length}, by reason`),
    [...groups].map(([key, list]) =>
      h(
        "details",
        { class: "letters", "data-key": key },
        h("summary", {}, h("b", {}, key), ` × ${list.length}`, h("span", { class: "quiet" }, ` last ${hm(list[0].seen_at)}`)),
        list.slice(0, 5).map((one) => h("div", { class: "letter" }, h("p", {}, `${one.detail} `, h("span", { class: "mono" }, one.place)), h("pre", { class: "mono", tabindex: 0 }, one.record))),
      ),
    ),
  );
}

function back(ctx) {
  const { span } = ctx.body;
  if (!span) return null;
  const [from, to] = [new Date(span.first) / 1000, new Date(span.last) / 1000];
  const step = span.step_min * 60;
  const at = ctx.ui.at ?? (ctx.place.at ? new Date(ctx.place.at) / 1000 : to);
  return panel(
    { "data-key": "back" },
    head("Go back", ctx.back || ctx.ui.at ? `${day(at)} ${hm(at)}` : null, h("button", { type: "button", class: "button small", disabled: !ctx.back, onclick: () => ((ctx.ui.at = null), ctx.go({ at: null })) }, "Now")),
    h("input", {
      type: "range",
      class: "range",
      min: from,
      max: to,
      step,
      value: String(at),
      "aria-label": "Moment to look back at",
      "aria-valuetext": `${day(at)} ${hm(at)} UTC`,
      oninput: (event) => ((ctx.ui.at = Number(event.target.value)), ctx.draw()),
      onchange: (event) => {
        const moment = Number(event.target.value);
        ctx.ui.at = null;
        ctx.go({ at: moment >= to ? null : new Date(moment * 1000).toISOString().replace(".000", "") });
      },
    }),
    h("p", { class: "ends-of" }, h("span", {}, `${day(from, { week: false })} ${hm(from)}`), h("span", {}, `${day(to, { week: false })} ${hm(to)}`)),
    h("p", { class: "note" }, "Drag to see what the plant knew then. Commands are off while you look back."),
  );
}

function peek(ctx) {
  const { ui, body, frame } = ctx;
  const look = async (topic) => {
    ui.topic = topic;
    ui.peeked = null;
    ctx.draw();
    if (topic) {
      try {
        ui.peeked = await get("/page/peek", { topic, zone: frame.zone });
      } catch (error) {
        ui.peeked = { records: [], hint: error.message };
      }
      ctx.draw();
    }
  };
  return panel(
    { "data-key": "peek" },
    head("Topics", "the newest records"),
    h("select", { class: "field", "aria-label": "Topic", onchange: (event) => look(event.target.value) }, h("option", { value: "" }, "Choose a topic"), body.topics.map((one) => h("option", { value: one.name }, one.name))),
    ui.topic ? h("p", { class: "note" }, body.topics.find((one) => one.name === ui.topic)?.doc) : null,
    ui.topic && !ui.peeked ? h("p", { class: "quiet" }, "Reading…") : null,
    ui.peeked?.hint ? h("p", { class: "quiet" }, ui.peeked.hint) : null,
    ui.peeked?.records.length
      ? h("div", { class: "peeked" }, ui.peeked.records.map((one) => h("details", { "data-key": `${one.partition}:${one.offset}` }, h("summary", {}, `${hm(one.time)} `, h("span", { class: "mono" }, `${one.partition}:${one.offset} ${one.key ?? ""}`)), h("pre", { class: "mono", tabindex: 0 }, JSON.stringify(one.value, null, 1)))))
      : null,
  );
}

export function after(ctx) {
  if (ctx.body.skill?.length > 1) ctx.chart("h-skill", skillSpec(ctx.body.skill, ctx.body.error_power, ctx.narrow));
}
