// Plan and why: the slots ahead as charts and as a table; for one of them the reason, what else it weighed, what if.
import { get, post } from "/static/js/client.js";
import { h, s } from "/static/js/dom.js";
import { capital, day, hm, isGenerator, isStore, kindName, money, near, none, number, percent, power, powerFactor, powerUnit, priceBand, signed, signedPower, span, symbol } from "/static/js/format.js";
import { icon } from "/static/js/icons.js";
import { chartSlot, facts, panel, segments, table, title } from "/static/js/parts.js";
import { fanName, fanTone, powerSpec, readouts, socSpec, timeBase } from "/static/js/plots.js";
import { bounds } from "/static/js/series.js";
import { ticks } from "/static/js/chart.js";

export const name = "Plan and why";
const ITEMS = { energy: "energy", wear: "battery wear", fuel: "peaker fuel", start: "starts", ramp: "ramp penalty", cap: "cap penalty", priority: "service priority", flexibility: "flexibility", curtailment: "curtailment", churn: "changes of plan", terminal: "stored energy" };
export const itemName = (code) => ITEMS[code] ?? code.replaceAll("_", " ");

export function render(ctx) {
  const { body, frame } = ctx;
  if (!body.plan) {
    return [
      title(name, "no plan now"),
      panel({ class: "empty", "data-key": "none" }, h("h2", {}, frame.hold ? "On hold: nothing is planned" : "Nothing is planned now"), h("p", {}, frame.hold ? "A release needs an approval." : "A plan follows the next forecast of net load.")),
    ];
  }
  const view = ctx.ui.view ?? "both";
  const why = ctx.ui.why && ctx.ui.step ? ctx.ui.why : body.why;
  return [
    title(
      name,
      `next ${number(body.hours, body.hours % 1 ? 1 : 0)} h, decided at ${hm(body.decided)} on all slots to ${hm(body.known_to)}`,
      segments("View", [["both", "Chart and table"], ["table", "Table"]], ctx.asTable ? "table" : view, (to) => {
        ctx.ui.view = to;
        if (ctx.asTable !== (to === "table")) ctx.toggleTable();
      }),
    ),
    h(
      "div",
      { class: "columns main-side plan-grid", "data-key": "grid" },
      h("div", { class: "stack plan-main", "data-key": "main" }, ctx.asTable ? null : charts(ctx), rows(ctx)),
      panel({ class: "plan-why", "data-key": "why", "aria-label": "Why" }, reason(ctx, why)),
    ),
  ];
}

function charts(ctx) {
  return panel(
    { class: "plan-charts", "data-key": "charts" },
    h("h2", { class: "sr" }, "The plan as charts"),
    h(
      "div",
      { class: "charts" },
      chartSlot("worth", "price", "Price and power worth", `${symbol(ctx.frame.currency)}/MWh`),
      chartSlot("ahead", "power", "Plant", `${powerUnit()}, + into the grid`),
      ctx.body.limits.soc_max !== null && ctx.body.limits.soc_max !== undefined ? chartSlot("socahead", "soc", "State of charge", "%") : null,
    ),
  );
}

const band = (value, pair, digits) => (none(value) ? "n/a" : [h("b", { class: "plain" }, power(value, digits)), pair ? h("span", { class: "quiet" }, ` ${power(pair[0], digits)}–${power(pair[1], digits)}`) : null]);

export function barCell(value, low, high) {
  const [from, to] = [Math.min(low, 0), Math.max(high, 0)];
  const x = (v) => (100 * (v - from)) / (to - from || 1);
  const [a, b] = [Math.min(x(0), x(value ?? 0)), Math.max(x(0), x(value ?? 0))];
  return s("svg", { class: "bar", viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" }, s("rect", { class: "bar-grey", x: x(0) - 0.4, y: 0, width: 0.8, height: 12 }), s("rect", { class: "bar-battery", x: a, y: 2, width: Math.max(b - a, 0), height: 8 }));
}

const WORDS = { "ramp up": "ramp ↑", "ramp down": "ramp ↓", cap: "cap", "export cap": "export cap" };

function rows(ctx) {
  const { body, frame } = ctx;
  const battery = body.assets.filter((a) => isStore(a.kind));
  const others = body.assets.filter((a) => !isStore(a.kind));
  const sum = (row, assets) => assets.reduce((total, a) => total + (row.powers[a.asset_id] ?? 0), 0);
  const { power_min_mw: low } = body.limits;
  const high = Math.max(...body.rows.map((r) => sum(r, battery)), -low || 1);
  const digits = body.rows.some((r) => Math.abs(r.import_mw) * powerFactor() >= 5) ? 1 : 2;
  const shown = others.filter((a) => isGenerator(a.kind) || body.rows.some((r) => Math.abs(r.powers[a.asset_id] ?? 0) * powerFactor() > 0.05)).slice(0, 6);
  const columns = [
    { name: "Slot", cell: (r) => near(r.start, body.decided) },
    { name: "Net load 5–95 %", class: "n wide", cell: (r) => band(r.net_mw, r.net_band, digits) },
    { name: "Import", class: "n wide", cell: (r) => power(r.import_mw, digits) },
    { name: ["Price", h("span", { class: "wide" }, " 5–95 %")], class: "n", cell: (r) => [h("b", { class: "plain" }, number(r.price, 0)), r.price_band ? h("span", { class: "quiet wide" }, " ", priceBand(...r.price_band)) : null] },
    { name: "Worth", class: "n wide", cell: (r) => number(r.worth, 0) },
    battery.length && { name: `Battery ${powerUnit()}`, class: "barred", cell: (r) => barCell(sum(r, battery), low ?? -1, high) },
    battery.length && { name: h("span", { class: "sr" }, `Battery, ${powerUnit()}`), class: "n", cell: (r) => h("b", {}, signedPower(sum(r, battery), digits)) },
    battery.length && { name: "SoC %", class: "n", cell: (r) => (none(r.soc) ? "–" : Math.round(100 * r.soc)) },
    ...shown.map((a) => ({ name: others.filter((b) => b.kind === a.kind).length > 1 ? a.asset_id : capital(kindName(a.kind)), class: "n wide", cell: (r) => signedPower(r.powers[a.asset_id], digits) })),
    { name: `Binding, ${symbol(frame.currency)}/MW`, class: "wide", cell: (r) => (r.binding ? [`${WORDS[r.binding.kind]} `, h("b", {}, number(r.binding.worth, 0))] : h("span", { class: "quiet" }, "–")) },
  ].filter(Boolean);
  return panel(
    { class: "flush plan-table", "data-key": "table" },
    table({ label: "Slots of the plan", columns, rows: body.rows, selected: ctx.ui.step ?? 0, onSelect: (n) => choose(ctx, n) }),
  );
}

async function choose(ctx, step) {
  ctx.ui.step = step;
  ctx.ui.why = null;
  ctx.ui.answer = null;
  ctx.draw();
  if (step === 0) return;
  try {
    ctx.ui.why = await get("/page/why", { zone: ctx.frame.zone, step, at: ctx.place.at });
  } catch (error) {
    ctx.ui.answer = { text: error.message };
  }
  ctx.draw();
}

function reason(ctx, why) {
  const { body, frame } = ctx;
  const step = ctx.ui.step ?? 0;
  if (why.step !== step) return h("p", { class: "quiet" }, "…");
  return [
    h("div", { class: "head" }, h("h2", {}, `Why ${span(why.start, why.end)}`), h("span", { class: "pill right" }, why.status)),
    h("p", { class: "why" }, why.sentence),
    why.axis ? worthAxis(why.axis) : null,
    why.alternatives.length ? alternatives(why) : h("div", { class: "block" }, h("h3", {}, "Each asset"), why.reasons.map((r) => h("p", { class: "each" }, h("b", {}, `${r.asset_id} ${signedPower(r.mw)} ${powerUnit()}. `), r.text))),
    why.status === "decided" ? whyNot(ctx, why) : null,
    h(
      "div",
      { class: "block" },
      facts([
        ["Limit ahead", limitAhead(why.runs, frame.currency)],
        ["Bids, engine", `${why.bids}, ${why.engine}`],
        ["Model", h("span", { class: "mono" }, why.model_id ?? "none")],
        ["Decision", h("span", { class: "mono" }, why.decision_id.slice(0, 12))],
      ]),
    ),
    whatIf(ctx),
  ];
}

function limitAhead(runs, currency) {
  if (!runs.length) return "none binds";
  const run = runs.reduce((best, one) => (one.worth > best.worth ? one : best));
  return `${WORDS[run.kind] ?? run.kind} ${run.span}, ${money(run.worth, currency)}/MW`;
}

function worthAxis({ charge_below: low, sell_above: high, worth }) {
  const from = Math.min(low - (high - low), worth) - 0.25 * (high - low || 10);
  const to = Math.max(high + 1.5 * (high - low), worth) + 0.4 * (high - low || 10);
  const x = (v) => (340 * (v - from)) / (to - from);
  const label = (v, y, words, more) => s("text", { x: v, y, ...more }, words);
  const anchor = x(worth) > 290 ? "end" : x(worth) < 50 ? "start" : "middle";
  return s(
    "svg",
    { class: "axis", viewBox: "0 0 340 64", role: "img", "aria-label": `Charge below ${number(low, 0)}, sell above ${number(high, 0)}, power is worth ${number(worth, 0)}` },
    s("rect", { class: "bar-grey", x: 0, y: 22, width: x(low), height: 8 }),
    s("rect", { class: "axis-rest", x: x(low), y: 22, width: x(high) - x(low), height: 8 }),
    s("rect", { class: "axis-sell", x: x(high), y: 22, width: 340 - x(high), height: 8 }),
    s("path", { class: "axis-tick", d: `M${x(low)} 20v12M${x(high)} 20v12` }),
    s("path", { class: "axis-mark", d: `M${x(worth) - 5} 13h10l-5 7z` }),
    label(Math.min(Math.max(x(worth), 2), 338), 9, `power worth ${number(worth, 0)}`, { class: "strong", "text-anchor": anchor }),
    label(0, 46, "charge", {}),
    label(x(low), 46, number(low, 0), { class: "strong", "text-anchor": "middle" }),
    label((x(low) + x(high)) / 2, 60, "rest", { "text-anchor": "middle" }),
    label(x(high), 46, number(high, 0), { class: "strong", "text-anchor": "middle" }),
    label(340, 46, "sell", { "text-anchor": "end" }),
  );
}

function alternatives(why) {
  const top = Math.max(...why.alternatives.map((a) => Math.abs(a.cost)), 1);
  return h(
    "div",
    { class: "block" },
    h("h3", {}, "What else the battery could do", h("span", {}, "additional cost")),
    h(
      "div",
      { class: "options" },
      why.alternatives.map((a) => {
        const chosen = a.code === "chosen";
        const words = chosen ? "chosen" : a.as_good ? "same cost" : money(a.cost, why.currency, { plus: true });
        return [h("span", { class: chosen ? "chosen" : null }, a.name), s("svg", { viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" }, s("rect", { class: "bar-grey", x: 0, y: 0, width: chosen ? 0 : Math.max((80 * Math.abs(a.cost)) / top, 0.5), height: 12 })), h("span", { class: "n" }, words)];
      }),
    ),
  );
}

function whyNot(ctx, why) {
  const { ui, body } = ctx;
  const ask = async (event) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    ui.busy = true;
    ctx.draw();
    try {
      ui.answer = await post("/page/why-not", { zone: ctx.frame.zone, decision_id: why.decision_id, asset_id: given.get("asset"), power_mw: Number(given.get("mw")) / powerFactor() });
    } catch (error) {
      ui.answer = { text: error.message };
    }
    ui.busy = false;
    ctx.draw();
    ctx.say(ui.answer.text);
  };
  const { answer } = ui;
  return h(
    "div",
    { class: "block" },
    h("h3", {}, "Why not…"),
    h(
      "form",
      { class: "row-form", onsubmit: ask },
      h("select", { class: "field", name: "asset", "aria-label": "Asset" }, body.assets.map((a) => h("option", { value: a.asset_id }, a.asset_id))),
      h("input", { class: "field", name: "mw", type: "number", step: "any", value: "0", "aria-label": `Power, ${powerUnit()}`, required: true }),
      h("button", { type: "submit", class: "button", disabled: ui.busy, "data-solve": true }, ui.busy ? "Solving…" : "Solve again"),
    ),
    answer ? h("p", { class: "answer" }, h("b", {}, answer.text), answer.items && Object.keys(answer.items).length ? ` What changes, ${ctx.frame.currency}:` : "") : null,
    answer?.items ? h("div", { class: "items" }, Object.entries(answer.items).map(([k, v]) => h("div", {}, h("span", {}, itemName(k)), h("span", {}, signed(v, 0))))) : null,
  );
}

export function whatIf(ctx) {
  const { ui, body } = ctx;
  const battery = body.limits?.energy_mwh;
  const ramp = body.limits?.ramp_limit_mw;
  const one = body.assets?.find((a) => isStore(a.kind));
  if (!ramp || ctx.back) return null;
  ui.shadow ??= {};
  const sliders = [
    one && battery && { key: `${one.asset_id}.energy_mwh`, words: "Battery", unit: "h", base: battery, from: 0.25, to: 4, start: 2 },
    { key: "limits.ramp_limit_mw", words: "Ramp limit", unit: "", base: ramp, from: 0.5, to: 1.5, start: 0.9 },
    { key: "limits.import_cap_mw", words: "Import cap", unit: "", base: body.limits.import_cap_mw, from: 0.7, to: 1.3, start: 0.9 },
  ].filter(Boolean);
  return h(
    "div",
    { class: "block" },
    h("h3", {}, "What if…", h("span", {}, "the last days again, a day")),
    sliders.map((slider) => {
      const trial = (ui.shadow[slider.key] ??= { factor: slider.start, answer: null });
      const value = Number((slider.base * trial.factor).toPrecision(3));
      const run = () => shadow(ctx, slider.key, value);
      return h(
        "div",
        { class: "what-if", "data-key": slider.key },
        h("label", {}, h("span", {}, `${slider.words} `, h("b", {}, `${power(value)} ${powerUnit()}${slider.unit}`)), h("input", { type: "range", min: slider.from, max: slider.to, step: 0.05, value: String(trial.factor), "aria-label": `${slider.words}, times the present`, oninput: (event) => ((trial.factor = Number(event.target.value)), (trial.answer = null), ctx.draw()), onchange: run })),
        h("span", { class: "gain" }, gain(trial.answer, ctx.frame.currency) ?? h("button", { type: "button", class: "link", onclick: run }, "run")),
      );
    }),
  );
}

function gain(answer, currency) {
  if (!answer) return null;
  if (answer.status === "done") return [h("b", {}, money(answer.gain_per_day, currency, { plus: true })), none(answer.gain_standard_error) ? "" : h("span", { class: "quiet" }, ` ± ${number(answer.gain_standard_error, 0)}`)];
  if (answer.status === "failed") return h("span", { class: "quiet", title: answer.text }, "failed");
  return h("span", { class: "quiet" }, answer.status === "waits" ? "waits…" : "runs…");
}

async function shadow(ctx, key, value) {
  const trial = ctx.ui.shadow[key];
  const wish = { zone: ctx.frame.zone, key, value };
  for (let n = 0; n < 300; n += 1) {
    try {
      trial.answer = await post("/page/shadow", wish);
    } catch (error) {
      trial.answer = { status: "failed", text: error.message };
    }
    ctx.draw();
    if (["done", "failed"].includes(trial.answer.status)) return;
    await new Promise((done) => setTimeout(done, 2000));
  }
}

export function after(ctx) {
  const { body, frame } = ctx;
  if (!body.plan || ctx.asTable) return;
  const start = body.plan.t[0];
  const base = timeBase({ now: start, step: frame.step_min * 60, before: 0, after: body.plan.t.at(-1) - start, narrow: ctx.narrow, sync: "plan", nowLine: false });
  if (ctx.narrow) base.xSplits = base.xSplits.filter((_, n) => n % 2 === 0);
  const view = { plan: body.plan, price: body.price, limits: body.limits };
  const showReadouts = (at) => {
    const texts = readouts({ plan: body.plan, price: body.price }, at ?? start, base.step, frame.currency);
    const n = body.plan.t.findIndex((t, i) => (at ?? start) >= t && (at ?? start) < (body.plan.t[i + 1] ?? t));
    ctx.readout("worth", `${texts.price}${n >= 0 && body.plan.worth.length ? ` · worth ${number(body.plan.worth[n], 0)}` : ""}`);
    ctx.readout("ahead", texts.power.replace(" planned", ""));
    ctx.readout("socahead", texts.soc.replace(" planned", ""));
  };
  const more = (spec) => ({ ...spec, onCursor: showReadouts });
  ctx.chart("worth", more(worthSpec(base, body, frame)));
  ctx.chart("ahead", more(powerSpec(base, view, { soft: false })));
  const soc = socSpec(base, { ...view, soc_now: socBefore(body) }, { soft: false });
  ctx.chart("socahead", more({ ...soc, xLabels: true }));
  showReadouts(null);
}

const socBefore = (body) => body.soc_before ?? undefined;

function worthSpec(base, { plan, price }, frame) {
  const { grid } = base;
  const series = [];
  let bands = [];
  const names = [];
  if (price) {
    const mids = (q) => grid.middles(price.t, price[q]);
    for (const q of ["q95", "q05", "q75", "q25"]) series.push({ kind: "edge", data: mids(q) });
    series.push({ kind: "line", color: fanTone(price), width: 1.5, data: mids("q50") });
    bands = [[1, 2, "fan90"], [3, 4, "fan50"]];
    const n = Math.min(price.t.filter((t) => t < base.window[1]).length - 1, price.t.length - 1);
    if (price.q05[n] !== price.q95[n]) names.push({ text: "95 %", y: price.q95[n], color: "ink-3" }, { text: "5 %", y: price.q05[n], color: "ink-3" });
    names.push({ text: `price ${fanName(price)}`, y: price.q50[n], color: fanTone(price), bold: true });
  }
  series.push({ kind: "step", color: "ink", data: grid.steps(plan.t, plan.worth) });
  names.push({ text: "power worth", y: plan.worth.at(-1) ?? 0, color: "ink", bold: true });
  const inside = (values) => (values || []).filter((_, n) => price.t[n] < base.window[1]);
  const [low, high] = bounds([plan.worth, price && inside(price.q05), price && inside(price.q95)], [0]);
  const pad = (high - low) * 0.05 || 1;
  const narrowNames = [{ text: "power worth", x: plan.t[Math.floor(plan.t.length * 0.3)], y: plan.worth[Math.floor(plan.t.length * 0.3)] ?? 0, dy: -10, color: "ink" }];
  return {
    x: grid.x, window: base.window, step: base.step, narrow: base.narrow, right: base.right, sync: base.sync,
    xSplits: base.xSplits, xText: base.xText, xLabels: false, series, bands,
    yRange: [low - pad, high + pad], ySplits: ticks(low - pad, high + pad, 5), zero: true,
    names: base.narrow ? narrowNames : names, days: (at) => day(at),
    summary: `Price and worth of power over the plan, ${symbol(frame.currency)} per megawatt hour. Power is worth ${number(plan.worth[0], 0)} now and ${number(Math.max(...plan.worth), 0)} at most.`,
  };
}

export { icon, percent };
