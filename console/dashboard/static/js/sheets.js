// Sheets over the page: hold in two steps, a release and a proposal to be priced, the keys. Focus returns to the opener.
import { post } from "/static/js/client.js";
import { h, patch } from "/static/js/dom.js";
import { isStore, powerFactor, powerUnit } from "/static/js/format.js";
import { icon } from "/static/js/icons.js";

const root = () => document.getElementById("sheets");

export function openSheet(name, ctx, given = {}) {
  const opener = document.activeElement;
  const dialog = document.createElement("dialog");
  dialog.className = "sheet";
  dialog.dataset.sheet = name;
  const state = { ...given, why: "", busy: false };
  const close = () => dialog.close();
  const draw = () => patch(dialog, SHEETS[name]({ ctx, state, close, draw, send }));
  const send = async (path, body, then) => {
    state.busy = true;
    state.why = "";
    draw();
    try {
      const answer = await post(path, body);
      close();
      ctx.say(answer.text ?? "Done");
      then?.(answer);
    } catch (error) {
      state.busy = false;
      state.why = error.message;
      draw();
    }
  };
  dialog.addEventListener("close", () => {
    dialog.remove();
    opener?.focus?.();
  });
  root().append(dialog);
  draw();
  dialog.showModal();
  dialog.querySelector("[data-first]")?.focus();
}

const frameOf = (title, ...parts) => [h("h2", { id: "sheet-title" }, title), parts];
const problem = (state) => h("p", { class: "problem", role: "alert" }, state.why);
const buttons = (...parts) => h("div", { class: "buttons" }, parts);
const cancel = (close) => h("button", { type: "button", class: "button", onclick: close }, "Cancel");

const reasonField = (label) =>
  h("label", {}, label, h("textarea", { class: "field", name: "reason", rows: 2, minlength: 3, maxlength: 300, required: true, "data-first": true }));

const formOf = (onSend, ...parts) =>
  h(
    "form",
    {
      onsubmit: (event) => {
        event.preventDefault();
        onSend(Object.fromEntries(new FormData(event.currentTarget)));
      },
    },
    parts,
  );

function hold({ ctx, state, close, draw, send }) {
  const zone = ctx.frame.zone;
  return frameOf(
    `Hold ${zone}`,
    h("p", {}, "Automatic setpoints end at once. Batteries rest, peakers go down their ramp, shed load comes back. Nothing is planned until somebody with the right to approve releases it."),
    formOf(
      (given) => send("/page/hold", { zone, reason: given.reason.trim(), asset_ids: given.scope ? [given.scope] : [] }),
      reasonField("Why (it stands in the audit)"),
      h("label", {}, "Scope", h("select", { class: "field", name: "scope" }, h("option", { value: "" }, "The whole fleet"), ctx.frame.assets.map((name) => h("option", { value: name }, name)))),
      problem(state),
      buttons(h("button", { type: "submit", class: "button hold primary", disabled: state.busy, "data-send": true }, icon("hold"), state.busy ? "Sending…" : "Hold now"), cancel(close)),
    ),
  );
}

function release({ ctx, state, close, send }) {
  const zone = ctx.frame.zone;
  return frameOf(
    "Ask for release",
    h("p", {}, "This makes a plan that ends the hold. It acts when somebody approves it."),
    formOf(
      (given) => send("/page/propose", { zone, action: "release", reason: given.reason.trim() }, (answer) => ctx.go({ screen: "orders" }) || (ctx.ui.plan = answer.plan_id)),
      reasonField("Why it is safe"),
      problem(state),
      buttons(h("button", { type: "submit", class: "button primary", disabled: state.busy, "data-send": true }, "Propose release"), cancel(close)),
    ),
  );
}

const ACTIONS = { target: "Hold a power", band: "Keep within a band", soc_target: "Reach a state of charge" };

function propose({ ctx, state, close, draw, send }) {
  const zone = ctx.frame.zone;
  const assets = state.assets.filter((a) => state.action !== "soc_target" || isStore(a.kind));
  state.action ??= "target";
  const inMw = (value) => (value === "" || value === undefined ? null : Number(value) / powerFactor());
  const field = (label, name, more) => h("label", { "data-key": name }, label, h("input", { class: "field", name, type: "number", step: "any", ...more }));
  const first = new Date(new Date(ctx.frame.now).getTime() + ctx.frame.step_min * 60000).toISOString().slice(0, 16);
  return frameOf(
    "New proposal",
    h("p", {}, "It is priced with the plant’s own clearing. Nothing is sent before it is approved."),
    formOf(
      (given) =>
        send(
          "/page/propose",
          {
            zone,
            action: state.action,
            asset_ids: given.asset ? [given.asset] : [],
            power_mw: inMw(given.power_mw),
            min_mw: inMw(given.min_mw),
            max_mw: inMw(given.max_mw),
            soc: given.soc ? Number(given.soc) / 100 : null,
            start: given.start ? `${given.start}:00Z` : null,
            duration_min: Number(given.duration_min) || 60,
            reason: given.reason.trim(),
          },
          (answer) => {
            ctx.ui.plan = answer.plan_id;
            ctx.draw();
          },
        ),
      h("label", {}, "What", h("select", { class: "field", name: "action", "data-first": true, onchange: (event) => ((state.action = event.target.value), draw()) }, Object.entries(ACTIONS).map(([value, words]) => h("option", { value }, words)))),
      h("label", {}, "Asset", h("select", { class: "field", name: "asset" }, assets.map((a) => h("option", { value: a.asset_id, selected: a.asset_id === state.asset_id }, a.asset_id)))),
      state.action === "target" ? field(`Power, ${powerUnit()}, + into the grid`, "power_mw", { required: true }) : null,
      state.action === "band" ? [field(`Least, ${powerUnit()}`, "min_mw"), field(`Most, ${powerUnit()}`, "max_mw")] : null,
      state.action === "soc_target" ? field("State of charge, %", "soc", { min: 0, max: 100, required: true }) : null,
      h("label", {}, "From, UTC", h("input", { class: "field", name: "start", type: "datetime-local", value: first, step: ctx.frame.step_min * 60 })),
      field("For, minutes", "duration_min", { min: 1, max: 10080, value: Math.max(60, ctx.frame.step_min), required: true }),
      h("label", {}, "Why (it stands in the audit)", h("textarea", { class: "field", name: "reason", rows: 2, minlength: 3, maxlength: 300, required: true })),
      problem(state),
      buttons(h("button", { type: "submit", class: "button primary", disabled: state.busy, "data-send": true }, state.busy ? "Pricing…" : "Show what it does"), cancel(close)),
    ),
  );
}

function cancelOrder({ ctx, state, close, send }) {
  return frameOf(
    "Cancel an order",
    h("p", {}, `This makes a plan that ends “${state.title}”. It acts when somebody approves it.`),
    formOf(
      (given) => send("/page/propose", { zone: ctx.frame.zone, action: "cancel", cancels: state.id, reason: given.reason.trim() }, (answer) => ((ctx.ui.plan = answer.plan_id), ctx.draw())),
      reasonField("Why"),
      problem(state),
      buttons(h("button", { type: "submit", class: "button primary", disabled: state.busy }, "Propose cancel"), cancel(close)),
    ),
  );
}

function reject({ ctx, state, close, send }) {
  return frameOf(
    "Reject the plan",
    h("p", {}, state.title),
    formOf(
      (given) => send("/page/reject", { plan_id: state.plan_id, digest: state.digest, reason: given.reason.trim() }, () => ctx.draw()),
      reasonField("Why (it stands in the audit)"),
      problem(state),
      buttons(h("button", { type: "submit", class: "button primary", disabled: state.busy }, "Reject"), cancel(close)),
    ),
  );
}

const HOURS = [[1, "1 hour"], [4, "4 hours"], [24, "1 day"], [168, "7 days"], [720, "30 days"]];

function silence({ ctx, state, close, send }) {
  const scopes = [
    state.alert_id ? ["alert", "This alert alone"] : null,
    state.channel ? ["channel", `Alerts of this kind, channel ${state.channel}`] : null,
    state.asset_id ? ["asset", `Alerts of this kind, asset ${state.asset_id}`] : null,
    ["code", "All alerts of this kind in the zone"],
  ].filter(Boolean);
  const named = { alert: { alert_id: state.alert_id }, channel: { code: state.code, channel: state.channel }, asset: { code: state.code, asset_id: state.asset_id }, code: { code: state.code } };
  return frameOf(
    "Silence",
    h("p", {}, `${state.title}. No notices are sent for what the silence covers. The alerts are still shown. Those that last longer are notified when it ends.`),
    formOf(
      (given) => send("/page/silence", { zone: ctx.frame.zone, reason: given.reason.trim(), hours: Number(given.hours), ...named[given.scope] }),
      reasonField("Why (it stands in the audit)"),
      h("label", {}, "What", h("select", { class: "field", name: "scope" }, scopes.map(([value, words]) => h("option", { value }, words)))),
      h("label", {}, "For", h("select", { class: "field", name: "hours" }, HOURS.map(([value, words]) => h("option", { value }, words)))),
      problem(state),
      buttons(h("button", { type: "submit", class: "button primary", disabled: state.busy, "data-send": true }, "Silence"), cancel(close)),
    ),
  );
}

function maintenance({ ctx, state, close, send }) {
  const hours = (from) => new Date(Date.now() + from * 3600000).toISOString().slice(0, 16);
  const time = (label, name, value) => h("label", {}, label, h("input", { class: "field", name, type: "datetime-local", required: true, value }));
  return frameOf(
    "Plan maintenance",
    h("p", {}, "No notices are sent for alerts that begin while the work lasts. The alerts are still shown. What lasts already is not covered: silence it."),
    formOf(
      (given) => send("/page/maintenance", { zone: ctx.frame.zone, reason: given.reason.trim(), since: `${given.since}Z`, until: `${given.until}Z`, asset_id: given.asset || null }),
      reasonField("Why (it stands in the audit)"),
      h("label", {}, "What", h("select", { class: "field", name: "asset" }, h("option", { value: "" }, `All alerts of ${ctx.frame.zone}`), ctx.frame.assets.map((name) => h("option", { value: name }, `Alerts of ${name}`)))),
      time("From, UTC", "since", state.since ??= hours(0)),
      time("To, UTC", "until", state.until ??= hours(4)),
      problem(state),
      buttons(h("button", { type: "submit", class: "button primary", disabled: state.busy, "data-send": true }, "Plan it"), cancel(close)),
    ),
  );
}

const KEYS = [
  ["1 to 9", "screens"],
  ["z", "zone"],
  ["t", "table or chart"],
  ["j k ↑ ↓", "rows"],
  ["Enter", "open"],
  ["← →", "cursor by slot, with Shift by hour"],
  ["Home", "cursor to now"],
  ["a", "to the Approve button (it does not press it)"],
  ["h", "hold sheet"],
  ["d", "light or dark"],
  ["w", "wall mode"],
  ["Esc", "close"],
  ["?", "this list"],
];

function keys({ ctx, close, draw }) {
  return frameOf(
    "Keys",
    h("dl", { class: "facts" }, KEYS.map(([key, what]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)))),
    h("p", { class: "quiet" }, "No single key moves power. Keys are off in fields."),
    buttons(
      ctx.toggleKeys ? h("button", { type: "button", class: "button", onclick: () => (ctx.toggleKeys(), (ctx.keysOn = !ctx.keysOn), draw()) }, ctx.keysOn ? "Switch keys off" : "Switch keys on") : null,
      h("button", { type: "button", class: "button primary", onclick: close, "data-first": true }, "Close"),
    ),
  );
}

export const SHEETS = { hold, release, propose, cancelOrder, reject, silence, maintenance, keys };
