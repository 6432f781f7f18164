// Assets: the setpoint and the power of each, whether it follows; one of them with its history.
import { get } from "/static/js/client.js";
import { h } from "/static/js/dom.js";
import { day, hm, hms, isStore, money, none, number, percent, power, powerFactor, powerUnit, signedPower, span } from "/static/js/format.js";
import { icon } from "/static/js/icons.js";
import { chartSlot, facts, gauge, head, panel, segments, spark, state, table, title } from "/static/js/parts.js";
import { Grid, bounds } from "/static/js/series.js";
import { hourSplits, ticks } from "/static/js/chart.js";

export const name = "Assets";
const HOURS = { "24h": 3, "7d": 24, all: 168 };

export function render(ctx) {
  const { body, ui, frame } = ctx;
  const list = body.assets ?? [];
  if (!list.length) return [title(name), panel({ class: "empty", "data-key": "none" }, h("h2", {}, "No assets"), h("p", {}, "No fleet file names one for this zone."))];
  ui.chosen ??= list[0].asset_id;
  const at = Math.max(list.findIndex((one) => one.asset_id === ui.chosen), 0);
  load(ctx, list[at]);
  return [
    title(name, `${body.count === 1 ? "1 asset" : `${body.count} assets`}, ${body.away ? `${body.away} not available or not following` : "all available"}. Power into the grid is positive.`),
    panel({ class: "flush", "data-key": "list" }, list_(ctx, list, at)),
    h("div", { class: "columns main-side", "data-key": "grid" }, history(ctx), side(ctx, frame)),
  ];
}

const STATE = { follows: "normal", "not following": "warning", "out of reach": "warning", stale: "warning", "never heard": "waiting" };

function list_(ctx, list, at) {
  const { currency } = ctx.frame;
  const stores = list.some((one) => !none(one.soc_max));
  return table({
    label: "Assets",
    rows: list,
    selected: at,
    onSelect: (n) => {
      ctx.ui.chosen = list[n].asset_id;
      ctx.draw();
    },
    columns: [
      { name: "Asset", cell: (a) => h("span", { class: "asset-name" }, icon(a.kind, `kind-${a.kind}`), a.asset_id, h("span", { class: "quiet wide" }, ` ${a.kind_name}`)) },
      { name: "State", cell: (a) => state(STATE[a.state] ?? "info", a.state) },
      { name: `Measured ${powerUnit()}`, class: "n", cell: (a) => h("b", {}, signedPower(a.measured_mw, 2)) },
      { name: `Setpoint ${powerUnit()}`, class: "n wide", cell: (a) => signedPower(a.setpoint_mw, 2) },
      list.some((a) => a.command) && { name: "Acknowledged", class: "n wide", cell: (a) => acknowledged(a.command) },
      { name: `Next ${powerUnit()}`, class: "n", cell: (a) => h("b", {}, signedPower(a.next_mw, 2)) },
      { name: "Last 24 h", class: "wide", cell: (a) => spark(a.spark, { ends: [Math.min(a.min_mw ?? 0, 0), a.max_mw], tone: a.kind, words: (v) => `${signedPower(v)} ${powerUnit()}` }) },
      stores && { name: "Charge", class: "wide", cell: (a) => (none(a.soc) ? h("span", { class: "quiet" }, "–") : h("span", { class: "charge" }, gauge({ value: a.soc, start: 0, tone: "battery", ends: [[a.soc_max, 1]] }), percent(a.soc))) },
      { name: `Out / in ${powerUnit()}h, 24 h`, class: "n wide", cell: (a) => `${power(a.out_mwh)} / ${power(a.in_mwh)}` },
      { name: "Money, 24 h", class: "n wide", cell: (a) => h("b", {}, money(a.pnl, currency, { plus: true })) },
    ].filter(Boolean),
  });
}

// When the device confirmed, or the name of the difference; n/a: no gateway commands this asset.
function acknowledged(command) {
  if (!command) return h("span", { class: "quiet" }, "n/a");
  if (command.differs) return state("warning", command.outcome);
  return command.acknowledged_at ? hms(command.acknowledged_at) : command.outcome;
}

function proof(command) {
  const at = (time, mw) => (time ? [none(mw) ? null : h("b", {}, `${signedPower(mw, 2)} ${powerUnit()} `), h("span", { class: "quiet" }, hms(time))] : "not yet");
  return facts([
    ["Asked for", at(command.sent_at, command.power_mw)],
    ["Acknowledged", at(command.acknowledged_at)],
    ["Read back", at(command.read_back_at, command.read_back_mw)],
    ["Measured", at(command.measured_at, command.measured_mw)],
    ["Outcome", command.differs ? state("warning", command.outcome) : command.outcome],
    ["Device", `${command.device}, ${command.gateway}, number ${command.sequence}`],
  ]);
}

async function load(ctx, one) {
  const { ui, frame } = ctx;
  const over = ui.span ?? "24h";
  const key = `${frame.zone}/${one.asset_id}@${frame.now}/${over}`;
  if (ui.key === key) return;
  ui.key = key;
  try {
    ui.history = await get("/page/asset", { zone: frame.zone, asset_id: one.asset_id, span: over, at: ctx.place.at });
    ui.why = null;
  } catch (error) {
    ui.why = error.message;
  }
  ctx.draw();
}

function history(ctx) {
  const { ui } = ctx;
  const { history } = ui;
  const over = ui.span ?? "24h";
  const choice = segments("Period", [["24h", "24 h"], ["7d", "7 d"], ["all", "All"]], over, (to) => ((ui.span = to), ctx.draw()));
  if (!history) return panel({ "data-key": "history" }, head(ui.chosen), h("p", { class: "quiet" }, ui.why ?? "…"));
  const limits = none(history.min_mw) || none(history.max_mw) ? "" : ` · limits ${history.min_mw === -history.max_mw ? `±${power(history.max_mw, 0)}` : `${signedPower(history.min_mw, 0)} to ${signedPower(history.max_mw, 0)}`}`;
  return panel(
    { "data-key": "history" },
    head(history.asset_id, `setpoint and measured power, ${{ "24h": "last 24 h", "7d": "last 7 days", all: "last 62 days at most" }[history.span]}`, choice),
    ctx.asTable
      ? historyTable(history)
      : h(
          "div",
          { class: "charts asset-charts", "data-key": "plots" },
          chartSlot("a-power", "net", "Power", `${powerUnit()}, + into the grid${limits}`),
          chartSlot("a-less", "soc", "Measured less setpoint", `${powerUnit()} · inside the slot it follows its curve, so a difference is not a fault`),
          history.soc.some((v) => !none(v)) ? chartSlot("a-soc", "power", "State of charge", "%") : null,
        ),
    h("p", { class: "under" }, h("button", { type: "button", class: "link", onclick: ctx.toggleTable }, ctx.asTable ? "Show as chart" : "Show as table")),
  );
}

function historyTable(history) {
  const rows = history.t.map((t, n) => ({ t, measured: history.measured_mw[n], setpoint: history.setpoint_mw[n], soc: history.soc[n] })).reverse();
  return table({
    label: `History of ${history.asset_id}`,
    key: "history-table",
    rows: rows.slice(0, 400),
    columns: [
      { name: "Slot", cell: (r) => `${day(r.t)} ${hm(r.t)}` },
      { name: `Measured ${powerUnit()}`, class: "n", cell: (r) => signedPower(r.measured, 2) },
      { name: `Setpoint ${powerUnit()}`, class: "n", cell: (r) => signedPower(r.setpoint, 2) },
      { name: "SoC", class: "n", cell: (r) => percent(r.soc) },
    ],
  });
}

function side(ctx, frame) {
  const { history } = ctx.ui;
  const command = ctx.body.assets.find((one) => one.asset_id === history?.asset_id)?.command;
  if (!history) return h("div", { class: "stack" });
  const { order, totals } = history;
  return h(
    "div",
    { class: "stack", "data-key": "side" },
    panel(
      { "data-key": "setpoint" },
      head(order ? `Setpoint for ${span(order.start, order.end)}` : "Setpoint"),
      order ? [h("p", { class: "why" }, `${order.does}. ${order.reason}`), order.follows ? h("p", { class: "note" }, order.follows) : null] : h("p", { class: "quiet" }, "No setpoint yet."),
    ),
    command ? panel({ "data-key": "command" }, head("Newest command", null, h("span", { class: "quiet" }, "gateway, UTC")), proof(command)) : null,
    panel({ "data-key": "limits" }, head("Limits", null, h("span", { class: "quiet" }, "fleet file")), history.limits.length ? facts(history.limits) : h("p", { class: "quiet" }, "No fleet file names this asset.")),
    panel(
      { "data-key": "totals" },
      head("Last 24 h"),
      facts([
        [isStore(history.kind) ? "Sold, bought" : "Into the grid, out of it", `${power(totals.out_mwh)} / ${power(totals.in_mwh)} ${powerUnit()}h`],
        none(totals.cycles) ? null : ["Full cycles", number(totals.cycles, 2)],
        ["Money", h("b", {}, money(totals.pnl, frame.currency, { plus: true }))],
        ["Largest difference to setpoint", none(totals.largest_difference_mw) ? "n/a" : `${power(totals.largest_difference_mw, 2)} ${powerUnit()}`],
        ["Readings from", totals.source ?? "n/a"],
        ["Trust", totals.trust ?? h("span", { class: "quiet" }, "n/a")],
      ]),
    ),
  );
}

export function after(ctx) {
  const { history } = ctx.ui;
  if (!history?.t.length || ctx.asTable) return;
  const step = history.step_s;
  const [from, to] = [history.t[0], history.t.at(-1) + step];
  const grid = new Grid(from, to, step);
  const hours = HOURS[history.span] * (ctx.narrow ? 2 : 1);
  const wide = to - from > 3 * 86400;
  const common = { x: grid.x, window: [from, to], step, narrow: ctx.narrow, right: ctx.narrow ? 8 : 84, sync: "asset", xSplits: hourSplits([from, to], hours), xText: wide ? (t) => day(t, { week: false }) : hm, xLabels: false, days: wide ? undefined : (t) => day(t) };
  const tone = history.kind;
  const edges = [...history.t, to];
  const [low, high] = bounds([history.measured_mw, history.setpoint_mw], [history.min_mw, history.max_mw, 0]);
  const pad = (high - low) * 0.06 || 0.5 / powerFactor();
  const soc = history.soc.some((v) => !none(v));
  const showReadouts = (at) => {
    const n = at === null ? history.t.length - 1 : history.t.findIndex((t) => at >= t && at < t + step);
    if (n < 0) return;
    ctx.readout("a-power", `${hm(history.t[n])} measured ${signedPower(history.measured_mw[n], 2)} · setpoint ${signedPower(history.setpoint_mw[n], 2)}`);
    ctx.readout("a-less", "");
    ctx.readout("a-soc", soc ? `${hm(history.t[n] + step)} ${percent(history.soc[n])}` : "");
  };
  ctx.chart("a-power", {
    ...common,
    onCursor: showReadouts,
    series: [
      { kind: "step", color: "ink", dash: [2, 2.5], width: 1.5, data: grid.steps(edges, history.setpoint_mw) },
      { kind: "step", color: tone, fill: 0.22, width: 2, data: grid.steps(edges, history.measured_mw) },
    ],
    yRange: [low - pad, high + pad],
    ySplits: none(history.min_mw) || none(history.max_mw) ? ticks(low, high, 4) : [history.min_mw, history.min_mw / 2, 0, history.max_mw / 2, history.max_mw].filter((v, n, all) => all.indexOf(v) === n),
    yFactor: powerFactor(),
    zero: true,
    limits: [history.max_mw, history.min_mw].filter((v) => !none(v) && v !== 0).map((y) => ({ y })),
    names: [
      ...[history.max_mw, history.min_mw].filter((v) => !none(v) && v !== 0).map((y) => ({ text: "limit", y, color: "ink-3" })),
      { text: "measured", y: history.measured_mw.at(-1) ?? 0, color: tone, bold: true },
      { text: "setpoint", y: history.setpoint_mw.at(-1) ?? 0, color: "ink", bold: true },
    ],
    summary: `Power of ${history.asset_id}, last ${signedPower(history.measured_mw.at(-1), 2)} ${powerUnit()}, setpoint ${signedPower(history.setpoint_mw.at(-1), 2)}.`,
  });
  const less = history.measured_mw.map((v, n) => (none(v) || none(history.setpoint_mw[n]) ? null : v - history.setpoint_mw[n]));
  const most = Math.max(...less.map((v) => Math.abs(v ?? 0)), 0.1 / powerFactor());
  ctx.chart("a-less", {
    ...common,
    xLabels: !soc,
    series: [{ kind: "step", color: "ink-2", fill: 0.14, width: 1.25, data: grid.steps(edges, less) }],
    yRange: [-most * 1.15, most * 1.15],
    ySplits: [-most, 0, most].map((v) => Number(v.toPrecision(1))),
    yFactor: powerFactor(),
    zero: true,
    days: undefined,
    summary: `Measured less setpoint: at most ${power(most, 2)} ${powerUnit()}.`,
  });
  if (!soc) return showReadouts(null);
  ctx.chart("a-soc", {
    ...common,
    xLabels: true,
    series: [{ kind: "area", color: "battery", fill: 0.12, data: grid.ends(history.t, history.soc.map((v) => (none(v) ? null : 100 * v))) }],
    yRange: [0, 100],
    ySplits: [0, 25, 50, 75, 100],
    limits: [history.soc_max, history.soc_min].filter((v) => !none(v)).map((v) => ({ y: 100 * v })),
    names: [
      { text: `max ${percent(history.soc_max)}`, y: 100 * history.soc_max, color: "ink-3" },
      { text: `min ${percent(history.soc_min)}`, y: 100 * history.soc_min, color: "ink-3" },
      { text: percent(history.soc.at(-1)), y: 100 * (history.soc.at(-1) ?? 0), color: "battery", bold: true },
    ],
    days: undefined,
    dots: none(history.soc.at(-1)) ? [] : [{ x: to, y: 100 * history.soc.at(-1), color: "battery" }],
    summary: `State of charge of ${history.asset_id}, now ${percent(history.soc.at(-1))}.`,
  });
  return showReadouts(null);
}
