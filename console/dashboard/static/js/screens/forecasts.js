// Forecasts: how good past ones turned out by horizon, how wide they are, what one rests on, the model in force.
import { get } from "/static/js/client.js";
import { h } from "/static/js/dom.js";
import { day, hm, near, none, number, percent, scaled, signed, symbol } from "/static/js/format.js";
import { chartSlot, facts, head, panel, segments, signedBars, table, title } from "/static/js/parts.js";
import { bounds } from "/static/js/series.js";
import { ticks } from "/static/js/chart.js";

export const name = "Forecasts";
const SHOWN = [5, 15, 30, 60, 120, 360, 720, 1440];

export const ahead = (minutes) => (minutes < 60 ? `${minutes} min` : `${number(minutes / 60, minutes % 60 ? 1 : 0)} h`);

export function render(ctx) {
  const { body, ui } = ctx;
  const target = ui.target ?? "net";
  const scored = body[target] ?? { skill: [], misses: [] };
  const scale = errorScale(ctx);
  const choose = segments("Target", [["net", "Net load"], ["price", "Price"]], target, (to) => ((ui.target = to), ctx.draw()));
  if (!scored.skill.length) {
    return [title(name, "", choose), h("div", { class: "columns main-side", "data-key": "grid" }, panel({ class: "empty", "data-key": "none" }, h("h2", {}, "No scores yet"), h("p", {}, target === "price" && !body.fan_price ? "This zone has no price: energy counts flat." : "A forecast is scored when its slot has closed.")), side(ctx))];
  }
  const slot = scored.skill[0].slot;
  return [
    title(name, `${target === "net" ? "net load of the region" : "price"} of ${ctx.frame.zone}, scored on what came, newest at ${near(slot, ctx.frame.now)}`, choose),
    h(
      "div",
      { class: "columns main-side", "data-key": "grid" },
      h(
        "div",
        { class: "stack", "data-key": "main" },
        panel({ "data-key": "error" }, head("Error by horizon", `mean absolute error, ${scale.unit}, trailing window`), h("div", { class: "charts short-chart" }, chartSlot("skill", "net", "", ""))),
        panel({ "data-key": "width" }, head("How often it stayed in its 90 % band", "by horizon; 90 % is right"), h("div", { class: "charts shorter-chart" }, chartSlot("cover", "net", "", ""))),
        scores(scored.skill, scale),
      ),
      side(ctx, scored, scale),
    ),
  ];
}

const priceScale = (currency) => ({ unit: `${symbol(currency)}/MWh`, factor: 1, digits: 1 });
const errorScale = ({ body, ui }) => ((ui.target ?? "net") === "net" ? body.error_power : priceScale(body.currency));

export const scoreColumns = (scale) => [
  { name: "Ahead", cell: (r) => h("span", { class: "plain" }, ahead(r.horizon_min)) },
  { name: `Error, ${scale.unit}`, class: "n", cell: (r) => h("b", {}, scaled(r.mae, scale)) },
  { name: "Persistence", class: "n", cell: (r) => scaled(r.mae_persistence, scale) },
  { name: "Better by", class: "n", cell: (r) => h("b", {}, none(r.better_pct) ? "n/a" : percent(r.better_pct / 100)) },
  { name: "In 90 % band", class: "n wide", cell: (r) => percent(r.coverage_90) },
  { name: "Scored", class: "n quiet wide", cell: (r) => r.n },
];

export const shownScores = (rows) => {
  const picked = rows.filter((r) => SHOWN.includes(r.horizon_min));
  return picked.length >= 4 ? picked : rows.slice(0, 8);
};

function scores(rows, scale) {
  return panel({ class: "flush", "data-key": "scores" }, table({ label: "Scores by horizon", rows: shownScores(rows), columns: [...scoreColumns(scale), { name: "Band width", class: "n wide", cell: (r) => (none(r.width) ? "–" : scaled(r.width, scale)) }, { name: "Pinball loss", class: "n wide", cell: (r) => scaled(r.pinball, scale) }] }));
}

function largeRamps(rows, scale) {
  return panel(
    { "data-key": "ramps" },
    head("Large ramps ahead", "how likely net load changes by at least this"),
    table({
      label: "Large ramps ahead",
      rows,
      columns: [
        { name: "Within", cell: (r) => ahead(r.horizon_min) },
        { name: `Size, ${scale.unit}`, class: "n", cell: (r) => scaled(r.large_ramp_mw, scale) },
        { name: "Rise", class: "n", cell: (r) => percent(r.p_rise) },
        { name: "Fall", class: "n", cell: (r) => percent(r.p_fall) },
      ],
    }),
  );
}

const EXPLAINED = [60, 360, 1440];

// What each feature adds to the newest forecast. It takes a second or two to compute, so it is asked for.
function why(ctx, scored, scale) {
  const { ui, body, frame } = ctx;
  const net = (ui.target ?? "net") === "net";
  const target = net ? "net_load" : "price";
  const horizons = [scored.horizons[0], ...EXPLAINED.filter((one) => one > scored.horizons[0] && scored.horizons.includes(one))];
  const asked = { zone: frame.zone, target, at: ctx.place.at };
  const ask = async (horizon) => {
    const question = { ...asked, horizon };
    const waiting = (ui.parts = { ...question, busy: true });
    ctx.draw();
    let answer;
    try {
      answer = await get("/page/forecast", { ...asked, horizon_min: horizon });
    } catch (error) {
      answer = { error: error.message };
    }
    if (ui.parts !== waiting) return; // another one was asked for meanwhile
    ui.parts = { ...answer, ...question };
    ctx.draw();
  };
  const shown = ui.parts && Object.entries(asked).every(([key, value]) => ui.parts[key] === value) ? ui.parts : null;
  const value = (v) => `${scaled(v, scale)} ${scale.unit}`;
  return panel(
    { "data-key": "why" },
    head("What the forecast rests on", shown?.parts ? `made at ${hm(shown.from)}, ${ahead(shown.horizon_min)} ahead` : null),
    h("div", {}, segments("Hours ahead", horizons.map((one) => [one, ahead(one)]), shown?.horizon ?? null, ask)),
    !shown ? h("p", { class: "note" }, "Choose how far ahead: each feature of the model is shown with what it adds.") : null,
    shown?.busy ? h("p", { class: "note" }, "Being computed…") : null,
    shown?.error ? h("p", { class: "note" }, shown.error) : null,
    shown?.parts
      ? [
          h("p", { class: "note" }, `${net ? "Net load now" : "Usual price of that hour"} ${value(shown.base)}`),
          signedBars(shown.parts, (v) => signed(v * scale.factor, scale.digits), ["Forecast", value(shown.value)]),
          h("p", { class: "note" }, net ? `Model ${shown.model_id}` : `Expected price; the median may differ. Model ${shown.model_id}`),
        ]
      : null,
  );
}

function side(ctx, scored = { misses: [] }, scale = errorScale(ctx)) {
  const { model, history, ramps } = ctx.body;
  return h(
    "div",
    { class: "stack", "data-key": "side" },
    scored.horizons?.length ? why(ctx, scored, scale) : null,
    ramps?.length ? largeRamps(ramps, ctx.body.error_power) : null,
    panel(
      { "data-key": "model" },
      head("Model in force"),
      facts([
        ["Model", h("span", { class: "mono" }, model?.model_id ?? "none")],
        ["Trained to", none(model?.trained_to) ? "n/a" : `${day(model.trained_to, { year: true })}, ${model.age} ago`],
        ["Forecast from", model?.source === "model" ? "model (no fallback)" : model?.source ? `${model.source} fallback` : "nothing yet"],
      ]),
    ),
    panel(
      { "data-key": "history" },
      head("What served since when"),
      history?.length ? facts(history.map((one) => [near(one.since, ctx.frame.now) === hm(one.since) ? hm(one.since) : `${day(one.since)} ${hm(one.since)}`, one.source === "model" ? h("span", { class: "mono" }, one.model_id) : `${one.source} fallback`])) : h("p", { class: "quiet" }, "Nothing yet."),
    ),
    panel(
      { "data-key": "misses" },
      head("Last misses", "left the 90 % band one step ahead, 3 days"),
      scored.misses.length
        ? table({
            label: "Last misses",
            rows: scored.misses,
            columns: [
              { name: "Slot", cell: (r) => near(r.slot, ctx.frame.now) },
              { name: `Came, ${scale.unit}`, class: "n", cell: (r) => h("b", {}, scaled(r.value, scale)) },
              { name: "Band", class: "n", cell: (r) => `${scaled(r.low, scale)}–${scaled(r.high, scale)}` },
            ],
          })
        : h("p", { class: "quiet" }, "None in 3 days."),
    ),
  );
}

export function skillSpec(scores, scale, narrow) {
  const rows = scores.map((r) => ({ ...r, mae: r.mae * scale.factor, mae_persistence: r.mae_persistence * scale.factor }));
  const x = rows.map((r) => r.horizon_min / 60);
  const [low, high] = bounds([rows.map((r) => r.mae), rows.map((r) => r.mae_persistence)], [0]);
  const top = high * 1.06 || 1;
  const at = (share) => Math.min(Math.floor(rows.length * share), rows.length - 1);
  // Each name stands where its line is, on the side away from the other's.
  const named = (text, share, name, other, color) => {
    const row = rows[at(share)];
    return { text, x: x[at(share)], y: row[name], dy: row[name] >= row[other] ? -9 : 11, color };
  };
  return {
    x,
    window: [0, x.at(-1)],
    series: [
      { kind: "line", color: "ink-2", dash: [5, 4], width: 1.25, data: rows.map((r) => r.mae_persistence) },
      { kind: "line", color: "ink", width: 2, data: rows.map((r) => r.mae) },
    ],
    yRange: [low, top],
    ySplits: ticks(low, top, 4),
    ySize: 48,
    xSplits: [0, 6, 12, 18, 24].filter((v) => v <= x.at(-1) + 0.01),
    xText: (v) => (v ? `${v} h` : "0"),
    right: 14,
    narrow,
    names: [
      named("persistence", 0.3, "mae_persistence", "mae", "ink-2"),
      named("this model", 0.72, "mae", "mae_persistence", "ink"),
    ],
    summary: `Mean absolute error by horizon: ${number(rows[0].mae, scale.digits)} at ${ahead(rows[0].horizon_min)} against ${number(rows[0].mae_persistence, scale.digits)} of persistence, ${number(rows.at(-1).mae, scale.digits)} at ${ahead(rows.at(-1).horizon_min)} against ${number(rows.at(-1).mae_persistence, scale.digits)}.`,
  };
}

export function after(ctx) {
  const target = ctx.ui.target ?? "net";
  const rows = ctx.body[target]?.skill ?? [];
  if (rows.length < 2) return;
  const scale = errorScale(ctx);
  ctx.chart("skill", skillSpec(rows, scale, ctx.narrow));
  const cover = rows.map((r) => 100 * r.coverage_90);
  const low = Math.min(Math.floor(Math.min(...cover) / 10) * 10, 80);
  ctx.chart("cover", {
    ...skillSpec(rows, scale, ctx.narrow),
    series: [{ kind: "line", color: "forecast", width: 2, data: cover }],
    yRange: [low, 101],
    ySplits: ticks(low, 100, 4),
    limits: [{ y: 90 }],
    names: [{ text: "90 %", x: rows.at(-1).horizon_min / 60, y: 90, dy: 9, align: "right", color: "ink-2" }],
    summary: `Share of what came inside the 90 percent band: ${number(cover[0], 0)} percent at ${ahead(rows[0].horizon_min)}, ${number(cover.at(-1), 0)} at ${ahead(rows.at(-1).horizon_min)}.`,
  });
}
