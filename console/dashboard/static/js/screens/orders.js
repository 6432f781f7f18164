// Orders: what waits for approval, what is in force, what is closed; the preview of a plan; lives and audit.
import { get, post } from "/static/js/client.js";
import { h } from "/static/js/dom.js";
import { countdown, hm, hms, money, near, none, percent, power, powerFactor, powerUnit, signed, span } from "/static/js/format.js";
import { icon } from "/static/js/icons.js";
import { chartSlot, head, panel, signedBars, title } from "/static/js/parts.js";
import { timeBase } from "/static/js/plots.js";
import { itemName } from "/static/js/screens/plan.js";
import { bounds } from "/static/js/series.js";
import { ticks } from "/static/js/chart.js";

export const name = "Orders";

export function render(ctx) {
  const { body, ui } = ctx;
  const all = [...(body.waiting ?? []), ...(body.approved ?? []), ...(body.standing ?? []), ...(body.closed ?? [])];
  const chosen = all.find((one) => one.id === ui.chosen) ?? body.waiting?.[0] ?? body.approved?.[0] ?? body.standing?.[0] ?? body.closed?.[0] ?? null;
  if (ui.plan && all.some((one) => one.id === ui.plan)) {
    ui.chosen = ui.plan;
    ui.plan = null;
    return render(ctx);
  }
  look(ctx, chosen);
  const propose = () => ctx.sheet("propose", { assets: body.assets, asset_id: body.assets[0]?.asset_id });
  return [
    title(
      name,
      summary(body),
      ctx.may.operate ? h("button", { type: "button", class: "button", onclick: propose, "data-propose": true }, "New proposal…") : h("span", { class: "quiet" }, rightWords(ctx)),
    ),
    h(
      "div",
      { class: "columns orders", "data-key": "grid" },
      lists(ctx, chosen),
      h("div", { class: "stack", "data-key": "middle" }, chosen ? preview(ctx, chosen) : panel({ class: "empty" }, h("h2", {}, "No order waits"), h("p", {}, "Propose one to see what it would cost."))),
      h("div", { class: "stack", "data-key": "right" }, chosen ? life(ctx, chosen) : null, audit(ctx)),
    ),
  ];
}

function rightWords(ctx) {
  if (ctx.lost) return "Not connected: use the plant’s command line.";
  if (ctx.back) return "Commands are off while you look back.";
  return ctx.me.name ? "You may look, not act: your token lacks vpp:operate." : "";
}

function summary(body) {
  const parts = [`${body.waiting?.length ?? 0} wait${body.waiting?.length === 1 ? "s" : ""} for approval`];
  if (body.standing?.length) parts.push(`${body.standing.length} in force or waiting to act`);
  if (body.refused) parts.push(`${body.refused} refused`);
  return parts.join(" · ");
}

function lists(ctx, chosen) {
  const { body } = ctx;
  const groups = [
    ["Wait for approval", body.waiting, (one) => h("b", { class: "count-down", "data-countdown": one.expires_at, "data-form": "bare", "data-keep": true }, left(one.expires_at))],
    ["Approved, not sent", body.approved, () => h("span", { class: "pill" }, "approved")],
    ["In force or waiting to act", body.standing, (one) => h("span", { class: "pill" }, one.status === "waits" ? `from ${hm(one.starts_at)}` : one.status)],
    ["Closed", body.closed, (one) => h("span", { class: "pill" }, one.status)],
  ].filter(([, list]) => list?.length);
  return panel(
    { class: "flush", "data-key": "lists", "aria-label": "Orders and plans" },
    groups.length
      ? groups.map(([words, list, mark]) => [
          h("h2", { class: "group", "data-key": `h-${words}` }, words),
          h("ul", { "data-key": words }, list.map((one) => h("li", { "data-key": one.id }, card(ctx, one, chosen, mark(one))))),
        ])
      : h("p", { class: "quiet pad" }, "No order waits. Propose one to see what it would cost."),
  );
}

const left = (ends) => countdown((new Date(ends) - Date.now()) / 1000);

function card(ctx, one, chosen, mark) {
  const when = one.starts_at ? `${span(one.starts_at, one.ends_at)} · ` : "";
  const note = one.status === "refused" && one.note ? one.note : one.reason;
  const pick = () => {
    ctx.ui.chosen = one.id;
    ctx.ui.preview = null;
    ctx.draw();
  };
  return h(
    "button",
    { type: "button", class: "card", "aria-current": String(one.id === chosen?.id), onclick: pick },
    h("span", { class: "line" }, h("b", {}, one.title), mark),
    h("span", { class: "more" }, `${when}${note}`, one.approved_by && one.status !== "refused" ? ` · approved by ${one.approved_by}` : ""),
  );
}

// The preview is priced anew when another plan is looked at or a new slot is decided.
async function look(ctx, chosen) {
  const { ui, frame } = ctx;
  if (!chosen?.is_plan || !["proposed", "approved"].includes(chosen.status)) return;
  const key = `${chosen.id}@${frame.now}`;
  if (ui.previewKey === key) return;
  ui.previewKey = key;
  try {
    ui.preview = await get("/page/preview", { zone: frame.zone, plan_id: chosen.id });
  } catch (error) {
    ui.preview = { plan_id: chosen.id, error: error.message };
  }
  ctx.draw();
}

function preview(ctx, one) {
  const preview = ctx.ui.preview?.plan_id === one.id ? ctx.ui.preview : null;
  const open = one.status === "proposed";
  return panel(
    { "data-key": "preview", class: one.status === "expired" ? "faded" : "" },
    h(
      "div",
      { class: "head" },
      h("h2", {}, `${one.title}${one.starts_at ? `, ${span(one.starts_at, one.ends_at)}` : ""}`),
      h("span", { class: "right ends" }, icon("clock"), open ? ["ends in ", h("b", { "data-countdown": one.expires_at, "data-form": "bare", "data-keep": true }, left(one.expires_at))] : one.status),
    ),
    h("p", { class: "said" }, `“${one.reason}”, by ${one.by} `, h("span", { class: "mono" }, one.id)),
    one.is_plan && preview?.error ? h("p", { class: "problem" }, preview.error) : null,
    preview && !preview.error ? priced(ctx, preview) : null,
    one.is_plan ? null : standing(ctx, one),
    one.is_plan && !["proposed", "approved"].includes(one.status) ? closedPlan(ctx, one) : null,
    open ? commands(ctx, one, preview) : null,
  );
}

function priced(ctx, preview) {
  const { currency } = preview;
  const cell = (label, words, unit) => h("div", {}, h("p", { class: "label" }, label), h("p", { class: "mid" }, words, unit ? h("small", { class: "unit" }, unit) : null));
  const gains = !none(preview.cost_change) && preview.cost_change < 0;
  return [
    h(
      "div",
      { class: "quad", "data-key": "quad" },
      cell(gains ? "Gains" : "Costs", none(preview.cost_change) ? "n/a" : money(Math.abs(preview.cost_change), currency, { plus: !gains })),
      cell("Energy moved", power(preview.moved_mwh), `${powerUnit()}h`),
      cell("Room to cap", power(preview.cap_slack_mw), powerUnit()),
      cell("Room to ramp limit", power(preview.ramp_slack_mw, 2), powerUnit()),
    ),
    preview.t.length
      ? h(
          "div",
          { class: "charts previews", "data-key": "charts" },
          preview.paths.map((path) => [
            chartSlot(`p-${path.asset_id}`, "power", path.asset_id, `${powerUnit()}, + into the grid`),
            path.soc.length ? chartSlot(`s-${path.asset_id}`, "soc", "State of charge", "%") : null,
          ]),
        )
      : null,
    h("div", { class: "halves", "data-key": "halves" }, costs(preview), checks(preview)),
  ];
}

function costs(preview) {
  const items = Object.entries(preview.costs).map(([key, v]) => [sentence(itemName(key)), v]);
  return h("div", {}, h("h3", { class: "label-2" }, `What it costs, ${preview.currency}`), signedBars(items, (v) => signed(v, 0), ["Sum", signed(preview.cost_change, 0)]));
}

const sentence = (words) => words[0].toUpperCase() + words.slice(1);
const MARK = { ok: "check", warning: "warning", refused: "cross" };

function checks(preview) {
  return h(
    "div",
    {},
    h("h3", { class: "label-2" }, "Checks"),
    h(
      "ul",
      { class: "checks" },
      preview.checks.map((check) =>
        h(
          "li",
          { class: check.outcome === "ok" ? null : check.outcome === "warning" ? "warn" : "crit" },
          icon(MARK[check.outcome] ?? "info"),
          h("span", {}, h("span", { class: "sr" }, `${check.outcome}: `), check.detail),
          check.clause ? h("details", {}, h("summary", { class: "mono" }, check.clause.replace("SITE.", "")), h("p", {}, check.rule ?? "", check.citation ? ` (${check.citation}${check.version ? `, version ${check.version}` : ""})` : "")) : null,
        ),
      ),
    ),
  );
}

function commands(ctx, one, preview) {
  const { ui } = ctx;
  if (!ctx.may.approve) return h("p", { class: "quiet", "data-key": "commands" }, ctx.lost || ctx.back ? rightWords(ctx) : `Somebody with the right to approve decides: vpp approve ${one.id}`);
  if (one.by === ctx.me.name && !ctx.me.one_person) {
    return h("p", { class: "quiet", "data-key": "commands" }, "You proposed it, so somebody else approves it. Where one person runs the plant: VPP_ONE_PERSON=true.");
  }
  const ready = preview && !preview.error;
  const approve = async () => {
    ui.busy = true;
    ctx.draw();
    try {
      ui.done = (await post("/page/approve", { plan_id: one.id, digest: one.digest })).text;
    } catch (error) {
      ui.done = error.message;
    }
    ui.busy = false;
    ctx.say(ui.done);
    ctx.draw();
  };
  return h(
    "div",
    { class: "commands", "data-key": "commands" },
    h("button", { type: "button", class: "button primary", disabled: !ready || ui.busy, onclick: approve, "data-approve": true }, ui.busy ? "Sending…" : "Approve"),
    h("button", { type: "button", class: "button", disabled: ui.busy, onclick: () => ctx.sheet("reject", { plan_id: one.id, digest: one.digest, title: one.title }) }, "Reject…"),
    h("p", {}, "You approve exactly this order: digest ", h("span", { class: "mono" }, one.digest.slice(0, 12)), ". A changed order needs a new approval."),
  );
}

function closedPlan(ctx, one) {
  return h(
    "div",
    { class: "commands", "data-key": "closed" },
    one.note ? h("p", {}, one.note) : null,
    one.status === "expired" && ctx.may.operate ? h("button", { type: "button", class: "button", onclick: () => ctx.sheet("propose", { assets: ctx.body.assets, action: one.action }) }, "Propose again…") : null,
  );
}

function standing(ctx, one) {
  const cancel = ctx.may.operate && ["waits", "in force"].includes(one.status);
  return h(
    "div",
    { class: "commands", "data-key": "standing" },
    h("p", {}, { waits: `It acts from ${hm(one.starts_at)}.`, "in force": one.ends_at ? `It is in force until ${hm(one.ends_at)}.` : "It is in force until it is ended.", ended: "It has ended.", refused: `It was refused: ${one.note}` }[one.status] ?? one.status),
    cancel ? h("button", { type: "button", class: "button", onclick: () => (one.action === "hold" ? ctx.sheet("release") : ctx.sheet("cancelOrder", { id: one.id, title: one.title })) }, one.action === "hold" ? "Ask for release…" : "Cancel it…") : null,
  );
}

const STEP = { done: "check", waits: "clock", ahead: "clock", failed: "cross" };

function life(ctx, one) {
  const steps = ctx.body.lives?.[one.id] ?? [];
  return panel(
    { "data-key": "life" },
    head(`Life of “${one.title}”`),
    steps.length
      ? h("ol", { class: "life" }, steps.map((step) => h("li", { class: step.state }, icon(STEP[step.state]), h("span", {}, h("span", { class: "sr" }, `${step.state}: `), step.text))))
      : h("p", { class: "quiet" }, "Nothing is recorded yet."),
    ctx.ui.done ? h("p", { class: "answer", role: "status" }, ctx.ui.done) : null,
  );
}

function audit(ctx) {
  const rows = ctx.body.audit ?? [];
  return panel(
    { "data-key": "audit" },
    head("Audit", "wall clock, UTC"),
    rows.length
      ? h(
          "ul",
          { class: "audit", tabindex: 0, "aria-label": "Audit, newest first" },
          rows.map((row) =>
            h("li", {}, icon(row.failed ? "cross" : "person"), h("span", {}, `${row.by} ${row.act}`), h("time", {}, row.run ? `run ${hm(row.at)}` : hms(row.at)), h("p", {}, h("span", { class: "mono" }, row.id), ` ${row.verdict}`)),
          ),
        )
      : h("p", { class: "quiet" }, "Nobody has acted yet."),
  );
}

export function after(ctx) {
  const preview = ctx.ui.preview;
  if (!preview?.t?.length) return;
  const step = preview.step_s;
  const end = preview.t.at(-1) + step;
  const base = timeBase({ now: preview.t[0], step, before: 0, after: Math.min(end - preview.t[0], 16 * 3600), narrow: ctx.narrow, sync: "orders", nowLine: false });
  const review = preview.starts_at ? [{ x0: new Date(preview.starts_at) / 1000, x1: new Date(preview.ends_at) / 1000, color: "line-2", alpha: 0.9 }] : [];
  const common = { x: base.grid.x, window: base.window, step, narrow: base.narrow, right: base.right, sync: base.sync, xSplits: base.xSplits, xText: hm, hatches: review };
  preview.paths.forEach((path, at) => {
    const [low, high] = bounds([path.power_mw, path.power_without_mw], [0]);
    const pad = (high - low) * 0.1 || 1 / powerFactor();
    const edges = [...preview.t, end];
    const mid = Math.max(preview.t.findIndex((t) => review.length && t >= review[0].x0), 0);
    ctx.chart(`p-${path.asset_id}`, {
      ...common,
      xLabels: !path.soc.length && at === preview.paths.length - 1,
      series: [
        { kind: "step", color: "ink-3", dash: [2, 2.5], data: base.grid.steps(edges, path.power_without_mw) },
        { kind: "step", color: "battery", fill: 0.16, width: 2, data: base.grid.steps(edges, path.power_mw) },
      ],
      yRange: [low - pad, high + pad],
      ySplits: ticks(low - pad, high + pad, 4),
      yFactor: powerFactor(),
      zero: true,
      names: [{ text: "with order", x: preview.t[mid], dx: 4, y: path.power_mw[mid] ?? 0, dy: -9, align: "left", color: "battery" }, { text: "without", y: path.power_without_mw.at(-1) ?? 0, color: "ink-3", bold: true }],
      summary: `Power of ${path.asset_id} with and without the order. With it ${power(path.power_mw[mid])} ${powerUnit()} when it begins, without ${power(path.power_without_mw[mid])}.`,
    });
    if (!path.soc.length) return;
    const soc = (values) => base.grid.ends(preview.t, values.map((v) => 100 * v));
    ctx.chart(`s-${path.asset_id}`, {
      ...common,
      xLabels: true,
      series: [
        { kind: "line", color: "ink-3", dash: [2, 2.5], width: 1.5, data: soc(path.soc_without) },
        { kind: "area", color: "battery", fill: 0.08, data: soc(path.soc) },
      ],
      yRange: [0, 100],
      ySplits: [0, 50, 100],
      limits: [path.soc_max, path.soc_min].filter((v) => !none(v)).map((v) => ({ y: 100 * v })),
      names: [
        { text: `max ${percent(path.soc_max)}`, y: 100 * path.soc_max, color: "ink-3" },
        { text: `min ${percent(path.soc_min)}`, y: 100 * path.soc_min, color: "ink-3" },
        { text: "with order", x: preview.t[Math.floor(preview.t.length * 0.42)], y: 100 * path.soc[Math.floor(preview.t.length * 0.42)], dy: -11, color: "battery" },
      ],
      summary: `State of charge of ${path.asset_id}: with the order ${percent(path.soc.at(-1))} at the end, without ${percent(path.soc_without.at(-1))}.`,
    });
  });
}

export { near };
