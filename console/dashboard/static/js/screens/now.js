// Now: is it fine, what does it do and why, what comes, what must I do.
import { post } from "/static/js/client.js";
import { h } from "/static/js/dom.js";
import { age, countdown, day, hm, isGenerator, money, near, none, number, percent, power, powerUnit, priceBand, signedPower, span, symbol } from "/static/js/format.js";
import { icon } from "/static/js/icons.js";
import { chartSlot, gauge, head, panel, table } from "/static/js/parts.js";
import { fanName, netSpec, powerSpec, priceSpec, readouts, socSpec, timeBase } from "/static/js/plots.js";

const HOUR = 3600;
const SYNC = "now";

export const name = "Now";

export function render(ctx) {
  const { body, frame } = ctx;
  if (!frame.zone || none(frame.now)) return waiting(ctx);
  return [
    h("h1", { class: "sr" }, `Now, ${frame.zone}`),
    strip(ctx),
    values(ctx),
    h("div", { class: "now-grid", "data-key": "grid" }, charts(ctx), side(body, frame, ctx)),
  ];
}

function waiting({ frame }) {
  return panel(
    { class: "empty", "data-key": "waiting" },
    h("h1", {}, "Waiting for the first slot"),
    h("p", {}, frame.zone ? `Nothing of ${frame.zone} is closed yet. The first forecast needs some history.` : "Nothing has run here yet. Start a plant: vpp up"),
  );
}

function strip(ctx) {
  const { fine, doing, comes, must } = ctx.body.strip;
  return h(
    "section",
    { class: "panel strip", "aria-label": "At a glance", "data-key": "strip" },
    cell("Is it fine?", fine.headline, ctx.lost ? `At ${hm(ctx.frame.now)}: ${fine.headline.toLowerCase()}.` : fine.text, ctx.lost ? "lost" : fine.state, ctx.lost ? "Not known" : null),
    cell(ctx.lost ? doing.label.replace("Now,", "Was planned for") : doing.label, doing.headline, doing.text),
    cell(ctx.lost ? "Was to come" : "What comes", comes.headline, comes.text),
    ctx.lost ? cell("What you must do", "Check the link", `Hold and orders work at the plant’s command line: vpp hold ${ctx.frame.zone} -r REASON`) : mustCell(must, ctx),
  );
}

function cell(label, headline, text, state = null, instead = null, buttons = null) {
  const marked = ["warning", "critical", "hold"].includes(state) ? state : null;
  return h(
    "div",
    { class: "cell", "data-state": marked },
    h("p", { class: "label" }, label),
    h("h2", {}, state && state !== "plans" ? icon(state) : null, instead ?? headline),
    text ? h("p", {}, text) : null,
    buttons ? h("div", { class: "buttons" }, buttons) : null,
  );
}

function mustCell(must, ctx) {
  let { text } = must;
  if (must.ends_at) text = h("span", { "data-countdown": must.ends_at, "data-keep": true }, firstOffer(must.ends_at));
  const buttons = [];
  if (must.go === "orders") {
    const words = must.state === "hold" ? "Ask for release…" : "Review";
    const act = must.state === "hold" ? () => ctx.sheet("release") : () => ctx.go({ screen: "orders" });
    buttons.push(h("button", { type: "button", class: "button primary small", onclick: act }, words));
  }
  if (must.alert_ids) buttons.push(acknowledge(must.alert_ids, ctx));
  if (must.go === "health") buttons.push(h("button", { type: "button", class: "button small", onclick: () => ctx.go({ screen: "health" }) }, "Open health"));
  const state = ["warning", "critical", "hold"].includes(must.state) ? must.state : null;
  return h(
    "div",
    { class: "cell", "data-state": state === "hold" ? null : state },
    h("p", { class: "label" }, "What you must do"),
    h("h2", {}, must.headline),
    text ? h("p", {}, text) : null,
    buttons.length ? h("div", { class: "buttons" }, buttons) : null,
  );
}

export const firstOffer = (ends) => `The first offer ends in ${countdown((new Date(ends) - Date.now()) / 1000)}.`;

function values(ctx) {
  const { values: v } = ctx.body;
  const cells = [importValue(v.import, ctx.narrow), plantValue(v.plant), v.battery ? batteryValue(v.battery) : null, priceValue(v.price, ctx.frame.currency), moneyValue(v.money, ctx.frame.currency)].filter(Boolean);
  return h("section", { class: "panel values", "aria-label": "Values", "data-count": cells.length, "data-key": "values" }, cells);
}

function value({ label, limit, big, unit, bar, next }) {
  return h(
    "div",
    { class: "value" },
    h("div", { class: "row" }, h("span", { class: "label" }, label), h("span", { class: "limit" }, limit || "")),
    h("p", { class: `big${big === "n/a" ? " none" : ""}` }, big, unit && big !== "n/a" ? h("small", {}, unit) : null),
    bar,
    h("p", { class: "next" }, next || " "),
  );
}

function importValue(v, narrow) {
  const top = Math.max(v.cap_mw * 1.07 || 0, v.mw || 0, v.next_mw || 0);
  const ramp = none(v.ramp_mw) || none(v.ramp_limit_mw) ? "" : `, ramp ${signedPower(v.ramp_mw)} of ±${power(v.ramp_limit_mw, v.ramp_limit_mw % 1 ? 1 : 0)} ${powerUnit()}`;
  const last = v.last ? `last ${power(v.last.mw)} ${powerUnit()}, ${span(v.last.slot, v.last.end)}` : "";
  return value({
    label: narrow ? "Grid import" : "Import from the grid",
    limit: none(v.cap_mw) ? "" : `cap ${power(v.cap_mw, v.cap_mw % 1 ? 1 : 0)}`,
    big: power(v.mw),
    unit: powerUnit(),
    bar: gauge({ from: Math.min(0, v.mw ?? 0), to: top || 1, value: v.mw, start: 0, next: v.next_mw, limit: v.cap_mw, tone: "plan" }),
    next: last || (none(v.next_mw) ? "next slot not planned" : `next ${power(v.next_mw)}${ramp}`),
  });
}

function plantValue(v) {
  return value({
    label: "Plant, into the grid",
    big: signedPower(v.mw),
    unit: powerUnit(),
    bar: gauge({ from: v.min_mw ?? 0, to: v.max_mw ?? 1, value: v.mw, start: 0, next: v.next_mw, zero: (v.min_mw ?? 0) < 0 }),
    next: none(v.next_mw) ? "not decided yet" : `next ${signedPower(v.next_mw)} ${powerUnit()}`,
  });
}

function batteryValue(v) {
  const ahead = none(v.soc) ? "not measured" : none(v.next_soc) ? `stays at ${percent(v.soc)}` : `${percent(v.next_soc)} at ${hm(v.next_at)}`;
  const later = v.later ? `, ${percent(v.later.soc)} at ${hm(v.later.at)}` : "";
  return value({
    label: v.count > 1 ? `${v.count} batteries` : "Battery",
    limit: none(v.mwh) ? "" : `${power(v.mwh)} of ${power(v.energy_mwh, v.energy_mwh % 1 ? 1 : 0)} ${powerUnit()}h`,
    big: none(v.soc) ? "n/a" : String(Math.round(100 * v.soc)),
    unit: "%",
    bar: gauge({ from: 0, to: 1, value: v.soc, start: 0, next: v.next_soc, tone: "battery", ends: [[0, v.soc_min ?? 0], [v.soc_max ?? 1, 1]] }),
    next: ahead + later,
  });
}

function priceValue(v, currency) {
  const top = Math.max(v.high ?? 0, v.value ?? 0, 1);
  const low = Math.min(v.low ?? 0, v.value ?? 0, 0);
  const within = priceBand(v.low, v.high);
  return value({
    label: "Price",
    limit: "last slot",
    big: money(v.value, currency, { digits: 2 }),
    unit: "/MWh",
    bar: gauge({ from: low, to: top, value: v.value, start: 0, next: v.next }),
    next: none(v.next) ? "no forecast of the price" : `next ${money(v.next, currency)}, ${within ? `90 % within ${within}` : "published"}`,
  });
}

function moneyValue(v, currency) {
  const low = Math.min(v.no_action ?? 0, v.today ?? 0, 0);
  const top = Math.max(v.today ?? 0, -low, 1);
  return value({
    label: "Money today",
    limit: none(v.capture_pct) ? "" : `battery: ${number(v.capture_pct, 0)} % of perfect`,
    big: money(v.today, currency, { plus: true }),
    bar: gauge({ from: 1.1 * Math.min(low, -top * 0.3), to: top * 1.1, value: v.today, start: 0, limit: v.no_action, zero: true }),
    next: none(v.against) ? "nothing settled yet" : `${money(v.against, currency, { plus: true })} against no action`,
  });
}

function charts(ctx) {
  const { body, frame } = ctx;
  const narrow = ctx.narrow;
  const fallback = body.net && body.net.source !== "model" ? `forecast: ${fanName(body.net)} fallback` : null;
  const none_ = body.no_plan ? body.no_plan.text : null;
  const sub = fallback || none_ ? [fallback, none_ === "no plan without net load" ? "no plan" : none_].filter(Boolean).join(" · ") : `forecast and plan of ${hm(body.decided ?? frame.now)}`;
  return panel(
    { "data-key": "charts" },
    head(narrow ? "Last 3 h, next 15 h" : "Last 6 h and next 24 h", narrow ? null : sub, tableLink(ctx)),
    ctx.asTable
      ? chartTable(ctx)
      : h(
          "div",
          { class: "charts", "data-key": "plots" },
          chartSlot("net", "net", "Net load and import", powerUnit()),
          chartSlot("power", "power", "Plant", `${powerUnit()}, + into the grid`),
          body.values.battery ? chartSlot("soc", "soc", "State of charge", "%") : null,
          chartSlot("price", "price", "Price", `${symbol(frame.currency)}/MWh`),
        ),
  );
}

export const tableLink = (ctx) => h("button", { type: "button", class: "link", onclick: ctx.toggleTable }, ctx.asTable ? "Show as chart" : "Show as table");

function chartTable(ctx) {
  const { past, net, plan, price } = ctx.body;
  const step = ctx.frame.step_min * 60;
  const rows = new Map();
  const row = (t) => rows.get(t) ?? rows.set(t, { t }).get(t);
  past.t.forEach((t, n) => Object.assign(row(t), { net: past.net_mw[n], import: past.import_mw[n], price: past.price[n], soc: past.soc[n], power: Object.fromEntries(Object.entries(past.power_mw).map(([k, v]) => [k, v[n]])) }));
  net?.t.forEach((t, n) => t >= past.t.at(-1) + step && Object.assign(row(t), { q50: net.q50[n], q05: net.q05[n], q95: net.q95[n] }));
  price?.t.forEach((t, n) => t >= past.t.at(-1) + step && Object.assign(row(t), { p50: price.q50[n], p05: price.q05[n], p95: price.q95[n] }));
  plan?.t.slice(0, -1).forEach((t, n) => Object.assign(row(t), { plan: plan.import_mw[n], soc: plan.soc[n], power: Object.fromEntries(Object.entries(plan.power_mw).map(([k, v]) => [k, v[n]])) }));
  const kinds = Object.keys(past.power_mw);
  return table({
    label: "Last 6 hours and next 24 hours as a table",
    key: "as-table",
    rows: [...rows.values()].sort((a, b) => a.t - b.t),
    columns: [
      { name: "Slot", cell: (r) => near(r.t, ctx.frame.now) },
      { name: `Net load ${powerUnit()}`, class: "n", cell: (r) => power(r.net) },
      { name: "Forecast, 5–95 %", class: "n", cell: (r) => (none(r.q50) ? "–" : `${power(r.q50)} (${power(r.q05)}–${power(r.q95)})`) },
      { name: `Import ${powerUnit()}`, class: "n", cell: (r) => power(r.import) },
      { name: "Planned", class: "n", cell: (r) => (none(r.plan) ? "–" : power(r.plan)) },
      ...kinds.map((kind) => ({ name: `${kind[0].toUpperCase()}${kind.slice(1)} ${powerUnit()}`, class: "n", cell: (r) => signedPower(r.power?.[kind]) })),
      { name: "SoC %", class: "n", cell: (r) => percent(r.soc) },
      { name: "Price", class: "n", cell: (r) => (none(r.price) ? (none(r.p50) ? "–" : `${number(r.p50, 0)} (${number(r.p05, 0)}–${number(r.p95, 0)})`) : number(r.price, 2)) },
    ],
  });
}

function side(body, frame, ctx) {
  const link = h("a", { class: "link", href: ctx.href({ screen: "plan" }) }, "Plan and why");
  const planned = !body.no_plan;
  const actions = planned
    ? body.actions.map((one) => action(one, frame))
    : body.in_force.map((one) => action({ ...one, inForce: true, reason: "" }, frame));
  return h(
    "div",
    { class: "side", "data-key": "side" },
    panel(
      { "data-key": "actions" },
      head(planned ? "Next three actions" : "Setpoints in force", null, link),
      planned ? null : h("p", { class: "why" }, body.strip.doing.text),
      actions.length ? actions : h("p", { class: "quiet" }, "No action is planned in the hours ahead."),
    ),
    panel(
      { class: "grow", "data-key": "alarms" },
      head("Alarms and notes", "24 h", ctx.may.operate ? h("button", { type: "button", class: "link", "data-maintenance": true, onclick: () => ctx.sheet("maintenance") }, "Maintenance…") : null),
      body.alarms.length || frame.hold
        ? h("ul", { class: "alarms", tabindex: 0, "aria-label": "Alarms and notes of 24 hours" }, frame.hold ? holdLine(frame) : null, body.alarms.map((one) => alarmLine(one, ctx)))
        : h("p", { class: "quiet" }, "None in 24 h."),
      quiet(body.quiet ?? [], ctx),
    ),
  );
}

function holdLine(frame) {
  return h("li", { class: "alarm", "data-severity": "hold" }, icon("hold"), h("strong", {}, `Hold by ${frame.hold.by}`), h("time", {}, near(frame.hold.since, frame.now)), h("p", {}, frame.hold.reason));
}

// Takes alerts on: they stay in the list, and escalate no further.
function acknowledge(alertIds, ctx) {
  const act = async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    try {
      const answer = await post("/page/acknowledge", { zone: ctx.frame.zone, alert_ids: alertIds.slice(0, 50) });
      ctx.say(answer.text);
    } catch (error) {
      button.disabled = false;
      ctx.say(error.message);
    }
  };
  return ctx.may.operate ? h("button", { type: "button", class: "button small", "data-acknowledge": alertIds[0], onclick: act }, "Acknowledge") : null;
}

function silence(one, ctx) {
  const open = () => ctx.sheet("silence", { title: one.title, code: one.code, asset_id: one.asset_id, channel: one.channels.length === 1 ? one.channels[0] : null, alert_id: one.alert_ids.length === 1 ? one.alert_ids[0] : null });
  return ctx.may.operate ? h("button", { type: "button", class: "button small", "data-silence": one.code, onclick: open }, "Silence…") : null;
}

// Why alerts send no notices: silences and maintenance windows. Those of the alert rules do not end here.
function quiet(list, ctx) {
  if (!list.length) return null;
  const ends = (one) => async (event) => {
    event.currentTarget.disabled = true;
    try {
      const ended = { zone: ctx.frame.zone, reason: "ended on the page", ...one.scope };
      const answer = one.kind === "silence" ? await post("/page/silence", { ...ended, hours: 0 }) : await post("/page/maintenance", ended);
      ctx.say(answer.text);
    } catch (error) {
      ctx.say(error.message);
    }
  };
  return [
    h("h3", { class: "label-2" }, "Silences and maintenance"),
    h(
      "ul",
      { class: "alarms", "aria-label": "Silences and maintenance windows" },
      list.map((one) =>
        h(
          "li",
          { class: "alarm", "data-quiet": one.kind },
          icon("clock"),
          h("span", {}, `${one.kind === "silence" ? "Silence" : "Maintenance"}: ${one.what}`),
          h("time", { datetime: one.until }, `${one.kind === "silence" ? "" : `${near(one.since, ctx.frame.now)} `}to ${near(one.until, ctx.frame.now)}`),
          h("p", {}, `${one.reason}, by ${one.by}`),
          one.scope && ctx.may.operate ? h("div", { class: "act" }, h("button", { type: "button", class: "button small", "data-end-quiet": true, onclick: ends(one) }, "End it")) : null,
        ),
      ),
    ),
  ];
}

export function alarmLine(one, ctx) {
  const { frame } = ctx;
  const words = { critical: "critical", warning: "warning", info: "note" }[one.severity];
  const text = one.open ? h("strong", {}, one.title) : h("span", {}, one.title);
  return h(
    "li",
    { class: "alarm", "data-severity": one.severity },
    icon(one.severity),
    h("span", {}, h("span", { class: "sr" }, `${words}: `), text),
    h("time", { datetime: one.slot }, near(one.slot, frame.now)),
    one.detail ? h("p", {}, one.detail) : null,
    whose(one, frame),
    one.open && one.act ? h("div", { class: "act" }, one.acknowledged_by ? null : acknowledge(one.alert_ids, ctx), one.silenced_until ? null : silence(one, ctx)) : null,
  );
}

function whose(one, frame) {
  if (one.acknowledged_by) return h("p", { class: "whose" }, `Acknowledged by ${one.acknowledged_by}`);
  if (one.silenced_until) return h("p", { class: "whose" }, `Silenced until ${near(one.silenced_until, frame.now)}`);
  return one.open && one.act ? h("p", { class: "whose" }, `Owner: ${one.owner}`) : null;
}

function action(one, frame) {
  const powers = one.inForce ? `${signedPower(one.mw)} ${powerUnit()}` : powerWords(one);
  const when = one.inForce ? span(frame.now, new Date(new Date(frame.now).getTime() + frame.step_min * 60000)) : span(one.start, one.end);
  const soc = none(one.soc_before) ? "" : ` · ${Math.round(100 * one.soc_before)} → ${Math.round(100 * one.soc_after)} %`;
  return h(
    "div",
    { class: "action" },
    icon(one.kind, `kind-${one.kind}`),
    h("h3", {}, one.inForce ? one.title : `${one.name} ${one.verb}`, h("b", {}, powers)),
    one.reason ? h("p", {}, one.reason) : null,
    h("p", { class: "when" }, when + soc),
  );
}

function powerWords(one) {
  const [a, b] = [signedPower(one.first_mw), signedPower(one.last_mw)];
  return a === b || isGenerator(one.kind) ? `${a} ${powerUnit()}` : `${a} → ${b} ${powerUnit()}`;
}

export function after(ctx) {
  const { body, frame } = ctx;
  if (!frame.zone || none(frame.now) || ctx.asTable) return;
  const now = new Date(frame.now) / 1000;
  const base = timeBase({ now, step: frame.step_min * 60, before: (ctx.narrow ? 3 : 6) * HOUR, after: (ctx.narrow ? 15 : 24) * HOUR, narrow: ctx.narrow, sync: SYNC });
  const showReadouts = (at) => {
    const texts = readouts(body, at ?? now, base.step, frame.currency);
    for (const [key, text] of Object.entries(texts)) ctx.readout(key, text);
  };
  const speak = (at) => ctx.say(Object.values(readouts(body, at, base.step, frame.currency)).join(". "));
  const with_ = (spec) => ({ ...spec, onCursor: showReadouts, onSpeak: speak });
  ctx.chart("net", with_(netSpec(base, body)));
  ctx.chart("power", with_(powerSpec(base, body)));
  ctx.chart("soc", with_(socSpec(base, body)));
  ctx.chart("price", with_(priceSpec(base, body, frame.currency)));
  showReadouts(null);
}

export { age, day };
