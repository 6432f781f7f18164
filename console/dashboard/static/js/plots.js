// The four charts of a zone as specifications: net load and import, plant, state of charge, price.
import { hourSplits, ticks } from "/static/js/chart.js";
import { day, hm, isMain, isStore, kindName, kindOrder, money, number, percent, power, powerFactor, powerUnit, priceBand, signedPower, symbol } from "/static/js/format.js";
import { Grid, bounds, lastKnown, withStart } from "/static/js/series.js";

const STEPPED = [2, 2.5];
const FALLBACKS = { seasonal: "seasonal", persistence: "persistence", fallback_profile: "profile" };

// What all charts of one screen share: window, grid, now line, x axis.
export function timeBase({ now, step, before, after, narrow, sync, nowLine = true }) {
  const window = [now - before, now + after];
  return {
    narrow,
    window,
    step,
    sync,
    now: nowLine ? now : null,
    grid: new Grid(window[0], window[1], step),
    right: narrow ? 8 : 92,
    xSplits: hourSplits(window, narrow ? 3 : after + before > 40 * 3600 ? 12 : after <= 17 * 3600 && !before ? 2 : 3),
    xText: hm,
  };
}

const common = (base, more) => ({
  x: base.grid.x,
  window: base.window,
  step: base.step,
  now: base.now,
  narrow: base.narrow,
  right: base.right,
  sync: base.sync,
  xSplits: base.xSplits,
  xText: base.xText,
  xLabels: false,
  ...more,
});

function fanSeries(base, fan, tone) {
  const { grid } = base;
  const mids = (name) => grid.middles(fan.t, fan[name]);
  return [
    { kind: "edge", data: mids("q95") },
    { kind: "edge", data: mids("q05") },
    { kind: "edge", data: mids("q75") },
    { kind: "edge", data: mids("q25") },
    { kind: "line", color: tone, width: 1.5, data: mids("q50") },
  ];
}

const FAN_BANDS = [
  [1, 2, "fan90"],
  [3, 4, "fan50"],
];

function fanNames(base, fan, tone, words) {
  let n = fan.t.length - 1;
  while (n > 0 && fan.t[n] + base.step / 2 > base.window[1]) n -= 1;
  if (base.narrow) {
    const m = Math.floor(n / 2);
    const at = Math.min(fan.t[m] + base.step / 2, base.window[0] + 0.55 * (base.window[1] - base.window[0]));
    return [{ text: `${words}, 5–95 %`, x: at, y: fan.q95[m], dy: 10, color: tone }];
  }
  const middle = { text: words, y: fan.q50[n], color: tone, bold: true };
  if (fan.q05[n] === fan.q95[n]) return [middle];
  return [{ text: "95 %", y: fan.q95[n], color: "ink-3" }, middle, { text: "5 %", y: fan.q05[n], color: "ink-3" }];
}

// The forecast starts where the actual line ends.
const joined = (series, grid, t, value) => {
  for (const one of series) withStart(one.data, grid, t, value);
  return series;
};

export const fanTone = (fan) => (fan && fan.source !== "model" ? "ink-3" : "forecast");
export const fanName = (fan) => (fan && fan.source !== "model" ? FALLBACKS[fan.source] ?? fan.source : "forecast");

export function netSpec(base, view) {
  const { past, net, plan, limits } = view;
  const { grid, step } = base;
  const series = net ? fanSeries(base, net, fanTone(net)) : [];
  const actual = lastKnown(past.t, past.net_mw);
  if (net && actual && actual[0] === past.t.at(-1)) joined(series, grid, actual[0] + step / 2, actual[1]);
  const planned = plan ? grid.steps(plan.t, plan.import_mw) : null;
  series.push({ kind: "step", color: "plan", dash: STEPPED, data: planned ?? grid.empty() });
  series.push({ kind: "step", color: "plan", data: grid.steps(past.t, past.import_mw) });
  series.push({ kind: "line", color: "ink", data: grid.middles(past.t, past.net_mw) });
  const inside = (t, values) => (values || []).filter((_, n) => t[n] <= base.window[1]);
  const expected = [plan && inside(plan.t, plan.import_mw), net && inside(net.t, net.q05), net && inside(net.t, net.q95)];
  const near = nearTo(bounds(expected, [limits.import_cap_mw]), plan || net);
  const [low, high] = bounds([past.net_mw.filter(near), past.import_mw.filter(near), ...expected], [limits.import_cap_mw]);
  const pad = (high - low) * 0.04 || 1 / powerFactor();
  const range = [low - pad, high + pad];
  const names = net ? fanNames(base, net, fanTone(net), fanName(net)) : [];
  past.t.forEach((t, n) => {
    const v = past.net_mw[n];
    if (v === null || near(v)) return;
    const over = v > high;
    names.push({ text: `${over ? "▲" : "▼"} ${power(v)}`, x: t + step / 2, y: range[over ? 1 : 0], dy: over ? 22 : -8, color: "warn" });
  });
  const back = (share) => base.now - share * (base.now - base.window[0]);
  const valueAt = (t, values, at) => {
    let best = null;
    t.forEach((start, n) => {
      if (values[n] !== null && values[n] !== undefined && start <= at) best = values[n];
    });
    return best;
  };
  if (base.now && actual) {
    const at = back(0.28);
    const y = valueAt(past.t, past.net_mw, at);
    const im = valueAt(past.t, past.import_mw, back(0.02));
    if (y !== null) names.push({ text: "net load", x: back(0.14), y: valueAt(past.t, past.net_mw, back(0.14)) ?? y, dx: -6, dy: -3, align: "right", color: "ink" });
    if (im !== null) names.push({ text: "import", x: back(0.02), y: im, dy: 13, align: "right", color: "plan" });
  }
  if (plan?.import_mw.length) {
    const n = Math.min(Math.floor(plan.import_mw.length * (base.narrow ? 0.4 : 0.36)), plan.import_mw.length - 1);
    names.push({ text: "import, planned", x: plan.t[n], y: plan.import_mw[n], dy: 13, color: "plan" });
  }
  return common(base, {
    series,
    bands: net ? FAN_BANDS : [],
    yRange: range,
    ySplits: ticks(...range, 6),
    yFactor: powerFactor(),
    limits: limits.import_cap_mw ? [{ y: limits.import_cap_mw, name: `import cap ${power(limits.import_cap_mw, 0)}`, inside: true }] : [],
    hatches: gaps(base, past.t, past.net_mw),
    names,
    nowText: base.narrow ? null : `now ${hm(base.now)}`,
    days: (at) => day(at),
    summary: netSummary(base, view),
  });
}

// Whether a measurement is near what is expected, so one faulty reading does not flatten a chart: a test of values.
function nearTo([low, high], known) {
  const reach = high - low;
  return (v) => v === null || !known || !reach || (v >= low - reach && v <= high + reach);
}

export function gaps(base, t, values) {
  const spans = [];
  values.forEach((v, n) => {
    if (v !== null && v !== undefined) return;
    const last = spans.at(-1);
    if (last && last.x1 === t[n]) last.x1 = t[n] + base.step;
    else spans.push({ x0: t[n], x1: t[n] + base.step, color: "warn-fill", alpha: 0.9 });
  });
  return spans;
}

function netSummary(base, { past, net, limits }) {
  const actual = lastKnown(past.t, past.net_mw);
  const sentences = [`Net load and import in ${powerUnit()} from ${hm(base.window[0])} to ${hm(base.window[1])}.`];
  if (actual) sentences.push(`Now net load ${power(actual[1])}.`);
  if (net) {
    const worst = Math.max(...net.q50);
    sentences.push(`Next ${power(net.q50[0])}, highest ${power(worst)} at ${hm(net.t[net.q50.indexOf(worst)])}.`);
  }
  if (limits.import_cap_mw) sentences.push(`Import cap ${power(limits.import_cap_mw)}.`);
  return sentences.join(" ");
}

export function powerSpec(base, view, { soft = true } = {}) {
  const { past, plan, limits, next, no_plan: none } = view;
  const { grid } = base;
  const kinds = Object.keys(past?.power_mw ?? plan?.power_mw ?? {});
  const shown = kinds.filter((kind) => isMain(kind) || moves(past?.power_mw?.[kind]) || moves(plan?.power_mw?.[kind]));
  const order = shown.sort((a, b) => kindOrder(b) - kindOrder(a));
  const series = [];
  const names = [];
  const now = base.now ?? base.window[0];
  for (const kind of order) {
    const fill = isStore(kind) ? 0.22 : 0.12;
    if (past) series.push({ kind: "step", color: kind, fill, data: grid.steps(past.t, past.power_mw[kind]) });
    const ahead = plan?.power_mw[kind];
    if (ahead) {
      series.push({ kind: "step", color: kind, dash: soft ? STEPPED : undefined, fill: isStore(kind) ? (soft ? 0.1 : 0.22) : soft ? null : 0.1, data: grid.steps(plan.t, ahead) });
      const end = plan.t.at(-1);
      const level = ahead.at(-1) ?? 0;
      if (base.narrow) {
        const n = Math.floor(ahead.length * (isStore(kind) ? 0.16 : 0.5));
        names.push({ text: kindName(kind), x: plan.t[n], y: ahead[n], dy: isStore(kind) ? -9 : 11, color: kind });
      } else if (end < base.window[1]) names.push({ text: kindName(kind), x: end, dx: 6, dy: isStore(kind) ? 9 : -8, y: isStore(kind) ? Math.min(level, 0) : level, align: "left", color: kind });
      else names.push({ text: kindName(kind), y: level, color: kind, bold: true });
    } else if (none && next && next[kind] !== undefined) {
      series.push({ kind: "step", color: kind, dash: STEPPED, data: grid.steps([now], [next[kind]], now + base.step) });
      names.push({ text: `${kindName(kind)} ${signedPower(next[kind])}`, x: now + base.step, dx: 8, y: next[kind], dy: isStore(kind) ? 11 : 0, align: "left", color: kind });
    } else if (past) {
      names.push({ text: kindName(kind), y: past.power_mw[kind].at(-1) ?? 0, color: kind, bold: true });
    }
  }
  const [low, high] = bounds(
    [...kinds.map((k) => past?.power_mw[k]), ...kinds.map((k) => plan?.power_mw[k])],
    [limits.power_min_mw, limits.power_max_mw, 0],
  );
  const pad = (high - low) * 0.08 || 1 / powerFactor();
  return common(base, {
    series,
    yRange: [low - pad, high + pad],
    ySplits: powerTicks(low, high),
    yFactor: powerFactor(),
    zero: true,
    hatches: none ? [{ x0: now, x1: base.window[1], color: none.state === "hold" ? "hold-line" : "line-2", textColor: none.state === "hold" ? "hold" : "ink-2", text: none.text, alpha: 0.7 }] : [],
    names,
    summary: powerSummary(base, view, order),
  });
}

const moves = (values) => (values || []).some((v) => Math.abs(v ?? 0) * powerFactor() > 0.05);

function powerTicks(low, high) {
  const round = (v) => Number(v.toPrecision(3));
  const marks = [0];
  if (high > 0) marks.push(round(high / 2), round(high));
  if (low < 0) marks.push(round(low));
  return marks.sort((a, b) => a - b);
}

function powerSummary(base, { past, plan, next }, kinds) {
  const sentences = [`Power of the plant in ${powerUnit()}, positive into the grid, from ${hm(base.window[0])} to ${hm(base.window[1])}.`];
  for (const kind of kinds) {
    const last = past ? lastKnown(past.t, past.power_mw[kind]) : null;
    if (last) sentences.push(`${kind} now ${spoken(last[1])}.`);
    const ahead = plan?.power_mw[kind]?.[0] ?? next?.[kind];
    if (ahead !== undefined) sentences.push(`${kind} next ${spoken(ahead)}.`);
  }
  return sentences.join(" ");
}

const spoken = (v) => `${v < 0 ? "minus" : "plus"} ${power(Math.abs(v))}`;

export function socSpec(base, view, { soft = true } = {}) {
  const { past, plan, limits, no_plan: none } = view;
  const { grid } = base;
  const series = [];
  const now = base.now ?? base.window[0];
  const scale = (values) => (values || []).map((v) => (v === null || v === undefined ? v : 100 * v));
  const last = past ? lastKnown(past.t, past.soc) : null;
  if (past) series.push({ kind: "area", color: "battery", width: 2, fill: 0.1, data: withStart(grid.ends(past.t, scale(past.soc)), grid, past.t[0], past.soc_before === null ? null : 100 * past.soc_before) });
  if (plan?.soc.length) {
    const ahead = grid.ends(plan.t.slice(0, -1), scale(plan.soc));
    plan.soc.forEach((v, n) => {
      const place = grid.at(plan.t[n + 1]);
      if (place >= 0) ahead[place] = 100 * v;
    });
    const start = last ? 100 * last[1] : view.soc_now !== undefined ? 100 * view.soc_now : null;
    withStart(ahead, grid, now, start);
    series.push({ kind: "area", color: "battery", width: soft ? 1.75 : 2, dash: soft ? STEPPED : undefined, fill: 0.1, data: ahead });
  }
  const rules = [];
  const names = [];
  const rule = (share, word) => {
    if (share === null || share === undefined) return;
    rules.push({ y: 100 * share });
    names.push({ text: `${word} ${percent(share)}`, y: 100 * share, color: "ink-3" });
  };
  rule(limits.soc_max, "max");
  rule(limits.soc_min, "min");
  if (limits.reserve_soc > (limits.soc_min ?? 0) + 1e-6) rule(limits.reserve_soc, "reserve");
  return common(base, {
    series,
    yRange: [0, 100],
    ySplits: [0, 50, 100],
    limits: rules,
    names,
    dots: last && base.now ? [{ x: now, y: 100 * last[1], color: "battery" }] : [],
    hatches: none ? [{ x0: now, x1: base.window[1], color: none.state === "hold" ? "hold-line" : "line-2", alpha: 0.7 }] : [],
    summary: `State of charge in percent. ${last ? `Now ${number(100 * last[1], 0)}.` : ""} ${plan?.soc.length ? `Planned ${number(100 * plan.soc[0], 0)} after the next slot.` : "Nothing is planned."}`,
  });
}

export function priceSpec(base, view, currency) {
  const { past, price, limits } = view;
  const { grid, step } = base;
  const series = price ? fanSeries(base, price, fanTone(price)) : [];
  const known = past ? lastKnown(past.t, past.price) : null;
  if (price && known && known[0] === past.t.at(-1)) joined(series, grid, known[0] + step, known[1]);
  if (past) series.push({ kind: "step", color: "ink", data: grid.steps(past.t, past.price) });
  const [low, high] = bounds([past?.price, price?.q05, price?.q95], [0]);
  const pad = (high - low) * 0.06 || 1;
  const range = [low - pad, high + pad];
  const names = price ? fanNames(base, price, fanTone(price), fanName(price)) : [];
  const rules = [];
  if (limits.sell_above !== undefined && limits.sell_above < range[1]) {
    rules.push({ y: limits.sell_above, color: "battery" });
    names.push({ text: `sell above ${number(limits.sell_above, 0)}`, y: limits.sell_above, color: "battery", bold: true });
  }
  return common(base, {
    series,
    bands: price ? FAN_BANDS : [],
    yRange: range,
    ySplits: ticks(...range, 5),
    limits: rules,
    names,
    zero: true,
    xLabels: true,
    summary: `Price in ${symbol(currency)} per megawatt hour. ${known ? `Last ${money(known[1], currency)}.` : "No price is known."} ${price ? `Next ${money(price.q50[0], currency)}, 90 percent within ${number(price.q05[0], 0)} to ${number(price.q95[0], 0)}.` : ""}`,
  });
}

// The values of all series at a time, as one line of text per chart.
export function readouts(view, at, step, currency) {
  const slotOf = (t) => t.findIndex((start, n) => at >= start && at < (t[n + 1] ?? start + step));
  const past = view.past ? slotOf(view.past.t) : -1;
  const plan = view.plan ? slotOf(view.plan.t.slice(0, -1)) : -1;
  const net = view.net ? slotOf(view.net.t) : -1;
  const price = view.price ? slotOf(view.price.t) : -1;
  const when = hm(Math.floor(at / step) * step);
  const sentences = { net: [], power: [], soc: [], price: [] };
  if (past >= 0) {
    sentences.net.push(`net load ${power(view.past.net_mw[past])}`, `import ${power(view.past.import_mw[past])}`);
    for (const [kind, values] of Object.entries(view.past.power_mw)) sentences.power.push(`${kind === "load" ? "shed" : kind} ${signedPower(values[past])}`);
    sentences.soc.push(percent(view.past.soc[past]));
    sentences.price.push(money(view.past.price[past], currency, { digits: 2 }));
  } else {
    if (net >= 0) sentences.net.push(`net load ${power(view.net.q50[net])} (${power(view.net.q05[net])}–${power(view.net.q95[net])})`);
    if (plan >= 0) {
      sentences.net.push(`import ${power(view.plan.import_mw[plan])}`);
      for (const [kind, values] of Object.entries(view.plan.power_mw)) sentences.power.push(`${kind === "load" ? "shed" : kind} ${signedPower(values[plan])}`);
      if (view.plan.soc.length) sentences.soc.push(`${percent(view.plan.soc[plan])} at ${hm(view.plan.t[plan + 1])} planned`);
    }
    if (price >= 0) {
      const band = priceBand(view.price.q05[price], view.price.q95[price]);
      sentences.price.push(money(view.price.q50[price], currency) + (band ? ` (${band})` : ""));
    }
  }
  const text = (parts, tail = "") => (parts.length ? `${when} ${parts.join(" · ")}${tail}` : "");
  return {
    net: text(sentences.net),
    power: text(sentences.power, past < 0 && sentences.power.length ? " planned" : ""),
    soc: text(sentences.soc),
    price: text(sentences.price),
  };
}
