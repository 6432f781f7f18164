// The chart language over uPlot: fans, steps, limits, hatches, names at the lines, one now line, one cursor.
/* global uPlot */
import { number } from "/static/js/format.js";

const FONT = '"Inter", system-ui, sans-serif';
const NAME_GAP = 13.5;
let palette = {};

export function color(name) {
  const own = () => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  // A kind of asset that has no colour of its own is drawn as a load.
  return (palette[name] ??= own() || color("load"));
}

export function forgetColors() {
  palette = {};
}

const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;

function withAlpha(name, alpha) {
  const hex = color(name);
  if (!hex.startsWith("#")) return hex;
  const n = parseInt(hex.slice(1), 16);
  return `rgba(${(n >> 16) & 255}, ${(n >> 8) & 255}, ${n & 255}, ${alpha})`;
}

const KINDS = {
  line: (one) => ({ stroke: () => color(one.color), width: one.width ?? 2, dash: one.dash }),
  step: (one) => ({
    stroke: () => color(one.color),
    width: one.width ?? 1.75,
    dash: one.dash,
    fill: one.fill ? () => withAlpha(one.color, one.fill) : undefined,
    fillTo: one.fill ? 0 : undefined,
    paths: uPlot.paths.stepped({ align: 1 }),
  }),
  area: (one) => ({
    stroke: () => color(one.color),
    width: one.width ?? 2,
    dash: one.dash,
    fill: () => withAlpha(one.color, one.fill ?? 0.1),
    fillTo: one.fillTo ?? 0,
  }),
  edge: () => ({ stroke: "transparent", width: 0 }),
  bars: (one) => ({
    stroke: "transparent",
    width: 0,
    fill: () => withAlpha(one.color, one.fill ?? 1),
    paths: uPlot.paths.bars({ size: [0.62, 60] }),
  }),
};

function hatch(ctx, u, span) {
  const px = uPlot.pxRatio;
  const { left, top, width, height } = u.bbox;
  const x0 = Math.max(left, u.valToPos(span.x0, "x", true));
  const x1 = Math.min(left + width, u.valToPos(span.x1, "x", true));
  if (x1 <= x0) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(x0, top, x1 - x0, height);
  ctx.clip();
  ctx.globalAlpha = span.alpha ?? 0.5;
  ctx.strokeStyle = color(span.color);
  ctx.lineWidth = px;
  ctx.setLineDash([]);
  const gap = 6 * px;
  ctx.beginPath();
  for (let x = x0 - height; x < x1 + height; x += gap) {
    ctx.moveTo(x, top + height);
    ctx.lineTo(x + height, top);
  }
  ctx.stroke();
  ctx.restore();
  if (span.text && x1 - x0 > 60 * px) {
    text(ctx, span.text, (x0 + x1) / 2, top + height / 2, { color: span.textColor ?? span.color, align: "center", bold: true });
  }
}

function text(ctx, words, x, y, { color: name, align = "left", bold = false, base = "middle" }) {
  const px = uPlot.pxRatio;
  ctx.save();
  ctx.font = `${bold ? 600 : 400} ${11 * px * rem()}px ${FONT}`;
  ctx.textAlign = align;
  ctx.textBaseline = base;
  ctx.lineJoin = "round";
  ctx.setLineDash([]);
  ctx.lineWidth = 3.5 * px;
  ctx.strokeStyle = color("surface");
  ctx.strokeText(words, x, y);
  ctx.fillStyle = color(name);
  ctx.fillText(words, x, y);
  ctx.restore();
}

function rule(ctx, x0, y0, x1, y1, name, dash, width = 1) {
  const px = uPlot.pxRatio;
  ctx.save();
  ctx.strokeStyle = color(name);
  ctx.lineWidth = width * px;
  ctx.setLineDash((dash || []).map((n) => n * px));
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
  ctx.restore();
}

function ground(u, spec) {
  const { ctx } = u;
  const { left, top, height, width } = u.bbox;
  if (spec.now) {
    const x = Math.min(Math.max(u.valToPos(spec.now, "x", true), left), left + width);
    ctx.save();
    ctx.fillStyle = color("past");
    ctx.fillRect(left, top, x - left, height);
    ctx.restore();
  }
  for (const span of spec.hatches || []) hatch(ctx, u, span);
}

function marks(u, spec) {
  const { ctx } = u;
  const px = uPlot.pxRatio;
  const { left, top, width, height } = u.bbox;
  const [low, high] = [u.scales.y.min, u.scales.y.max];
  ctx.setLineDash([]);
  if (spec.zero && low < 0 && high > 0) {
    const y = u.valToPos(0, "y", true);
    rule(ctx, left, y, left + width, y, "line-2");
  }
  for (const limit of spec.limits || []) {
    if (limit.y < low || limit.y > high) continue;
    const y = Math.round(u.valToPos(limit.y, "y", true)) + 0.5;
    rule(ctx, left, y, left + width, y, limit.color ?? "ink-2", [5, 4]);
    if (limit.name && limit.inside) {
      text(ctx, limit.name, left + width - 4 * px, y + 9 * px * rem(), { color: "ink-2", align: "right" });
    }
  }
  const midnight = Math.ceil(u.scales.x.min / 86400) * 86400;
  for (let day = midnight; spec.step && day < u.scales.x.max; day += 86400) {
    const x = Math.round(u.valToPos(day, "x", true)) + 0.5;
    rule(ctx, x, top, x, top + height, "line-2");
    if (spec.days && x < left + width - 60 * px) {
      text(ctx, spec.days(day), x + 5 * px, top + 5 * px * rem(), { color: "ink-3" });
    }
  }
  if (spec.now && spec.now > u.scales.x.min) {
    const x = Math.round(u.valToPos(spec.now, "x", true)) + 0.5;
    rule(ctx, x, top, x, top + height, "ink", [], 1.25);
    if (spec.nowText) text(ctx, spec.nowText, x + 5 * px, top + 5 * px * rem(), { color: "ink", bold: true });
  }
  for (const dot of spec.dots || []) {
    const [x, y] = [u.valToPos(dot.x, "x", true), u.valToPos(dot.y, "y", true)];
    ctx.save();
    ctx.beginPath();
    ctx.arc(x, y, 4 * px, 0, 7);
    ctx.fillStyle = color(dot.color);
    ctx.fill();
    ctx.lineWidth = 1.5 * px;
    ctx.strokeStyle = color("surface");
    ctx.stroke();
    ctx.restore();
  }
  for (const tick of spec.ticks || []) {
    const x = u.valToPos(tick.x, "x", true);
    const y = u.valToPos(tick.y, "y", true);
    rule(ctx, x - tick.half * px, y, x + tick.half * px, y, "ink", [], 2);
  }
  names(u, spec);
}

// Names at the right edge keep their distance; names inside stand where they are put.
function names(u, spec) {
  const { ctx } = u;
  const px = uPlot.pxRatio;
  const { left, top, width, height } = u.bbox;
  const narrow = spec.narrow;
  const edge = [];
  for (const name of spec.names || []) {
    const y = u.valToPos(name.y, "y", true);
    if (name.x !== undefined) {
      const x = u.valToPos(name.x, "x", true);
      text(ctx, name.text, x + (name.dx ?? 0) * px, y + (name.dy ?? 0) * px * rem(), {
        color: name.color,
        align: name.align ?? "center",
        bold: name.bold ?? true,
      });
    } else if (!narrow) {
      edge.push({ ...name, at: Math.min(Math.max(y, top + 6 * px), top + height - 5 * px) });
    }
  }
  edge.sort((a, b) => a.at - b.at);
  const gap = NAME_GAP * px * rem();
  for (let i = 1; i < edge.length; i += 1) edge[i].at = Math.max(edge[i].at, edge[i - 1].at + gap);
  const over = edge.length ? edge[edge.length - 1].at - (top + height + 4 * px) : 0;
  if (over > 0) {
    edge[edge.length - 1].at -= over;
    for (let i = edge.length - 2; i >= 0; i -= 1) edge[i].at = Math.min(edge[i].at, edge[i + 1].at - gap);
  }
  for (const name of edge) {
    text(ctx, name.text, left + width + 6 * px, name.at, { color: name.color, bold: name.bold ?? false });
  }
}

function axes(spec) {
  const grid = { stroke: () => color("grid"), width: 1 };
  const font = () => `400 ${11 * rem()}px ${FONT}`;
  const labels = spec.xLabels !== false;
  return [
    {
      stroke: () => color("ink-3"),
      font: font(),
      grid,
      ticks: { show: false },
      size: labels ? Math.round(22 * rem()) : 5,
      gap: 6,
      splits: () => spec.xSplits,
      values: (_, splits) => splits.map((at) => (labels ? spec.xText(at) : "")),
    },
    {
      stroke: () => color("ink-3"),
      font: font(),
      grid,
      ticks: { show: false },
      size: Math.round((spec.ySize ?? 38) * rem()),
      gap: 6,
      splits: () => spec.ySplits,
      values: (_, splits) => tickTexts(splits, spec.yFactor),
    },
  ];
}

export class Chart {
  constructor(holder) {
    this.holder = holder;
    this.plot = null;
    this.shape = "";
    this.spec = null;
    this.resizer = new ResizeObserver(() => this.resize());
    this.resizer.observe(holder);
    holder.addEventListener("keydown", (event) => this.onKey(event));
  }

  // spec: x, series, window, yRange, ySplits, xSplits, xText, sync, and what ground, marks and names draw.
  show(spec) {
    this.spec = spec;
    const shape = JSON.stringify([
      spec.series.map((one) => [one.kind, one.color, one.dash, one.fill]),
      spec.bands,
      spec.right,
      spec.xLabels,
      spec.ySize,
      rem(),
    ]);
    const data = [spec.x, ...spec.series.map((one) => one.data)];
    this.holder.setAttribute("aria-label", spec.summary);
    if (!this.plot || shape !== this.shape) {
      this.shape = shape;
      this.build(data);
      return;
    }
    this.plot.setData(data, false);
    this.plot.setScale("x", { min: spec.window[0], max: spec.window[1] });
    this.plot.setScale("y", { min: spec.yRange[0], max: spec.yRange[1] });
    this.plot.redraw(false, true);
  }

  build(data) {
    this.plot?.destroy();
    const { spec } = this;
    const size = this.size();
    const chart = this;
    this.plot = new uPlot(
      {
        ...size,
        padding: [7, Math.round((spec.right ?? 10) * rem()), spec.xLabels === false ? 2 : 0, 0],
        legend: { show: false },
        cursor: {
          sync: spec.sync ? { key: spec.sync, setSeries: false } : undefined,
          drag: { x: false, y: false },
          y: false,
          points: { show: false },
        },
        scales: {
          x: { time: false, range: () => chart.spec.window },
          y: { range: () => chart.spec.yRange },
        },
        axes: axes(new Proxy({}, { get: (_, name) => chart.spec[name] })),
        series: [{}, ...spec.series.map((one) => ({ points: { show: false }, spanGaps: false, ...KINDS[one.kind](one) }))],
        bands: spec.bands?.map(([upper, lower, name]) => ({ series: [upper, lower], fill: () => color(name) })),
        hooks: {
          drawClear: [(u) => ground(u, chart.spec)],
          draw: [(u) => marks(u, chart.spec)],
          setCursor: [(u) => chart.spec.onCursor?.(u.cursor.left >= 0 ? u.posToVal(u.cursor.left, "x") : null)],
        },
      },
      data,
      this.holder,
    );
  }

  size() {
    const box = this.holder.getBoundingClientRect();
    return { width: Math.max(Math.floor(box.width), 60), height: Math.max(Math.floor(box.height), 40) };
  }

  resize() {
    if (!this.plot) return;
    const { width, height } = this.size();
    if (width !== this.plot.width || height !== this.plot.height) this.plot.setSize({ width, height });
  }

  redraw() {
    this.plot?.redraw(false, true);
  }

  onKey(event) {
    if (!this.plot || !["ArrowLeft", "ArrowRight", "Home"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    const { spec, plot } = this;
    const step = event.shiftKey ? 3600 : spec.step ?? 1800;
    const at = event.key === "Home" ? spec.now ?? spec.window[0] : (this.at ?? spec.now ?? spec.window[0]) + (event.key === "ArrowLeft" ? -step : step);
    this.at = Math.min(Math.max(at, spec.window[0]), spec.window[1] - 1);
    plot.setCursor({ left: plot.valToPos(this.at, "x"), top: 10 });
    spec.onSpeak?.(this.at);
  }

  destroy() {
    this.resizer.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }
}

// Round ticks of a range, at most `most` of them.
export function ticks(low, high, most = 5) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1e-9)));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((one) => one >= rough) ?? 10 * power;
  const places = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-9; at += step) places.push(Number(at.toPrecision(12)));
  return places;
}

// With as many decimals, three at most, as tell every tick from what stands beside it.
function tickTexts(splits, factor = 1) {
  const values = splits.map((v) => v * factor);
  const most = Math.max(...values.map(Math.abs));
  const digits = [0, 1, 2].find((n) => values.every((v) => Math.abs(v - Number(v.toFixed(n))) <= most * 1e-6)) ?? 3;
  return values.map((v) => number(v, digits));
}

// Every `hours` hours within a window, at whole hours of the day.
export function hourSplits([from, to], hours) {
  const step = hours * 3600;
  const places = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) places.push(at);
  return places;
}
