// Agent: its looks, the risks that it ranked in money, what it proposed and what came of it, and every step of a look.
import { get } from "/static/js/client.js";
import { h } from "/static/js/dom.js";
import { day, hm, money, near, none } from "/static/js/format.js";
import { icon } from "/static/js/icons.js";
import { head, panel, table, title } from "/static/js/parts.js";

export const name = "Agent";

export function render(ctx) {
  const { body, ui } = ctx;
  if (!body.looks?.length) {
    return [title(name), panel({ class: "empty", "data-key": "none" }, h("h2", {}, "No looks yet"), h("p", {}, body.hint ?? "The agent has not looked."))];
  }
  const chosen = Math.max(body.looks.findIndex((one) => one.look_id === ui.look), 0);
  const look = body.looks[chosen];
  return [
    title(name, `${body.total} looks in the last week, the newest ${near(look.as_of ?? body.looks[0].at, ctx.frame.now)}`),
    h(
      "div",
      { class: "columns main-side", "data-key": "grid" },
      h("div", { class: "stack", "data-key": "main" }, panel({ class: "flush", "data-key": "looks" }, looks(ctx, chosen))),
      h("div", { class: "stack", "data-key": "side" }, outcome(ctx, look), risks(body, look), steps(ctx, look)),
    ),
  ];
}

function looks(ctx, chosen) {
  const { body, frame } = ctx;
  return table({
    label: "Looks of the agent",
    rows: body.looks,
    selected: chosen,
    onSelect: (n) => {
      ctx.ui.look = body.looks[n].look_id;
      ctx.draw();
    },
    columns: [
      { name: "As of", cell: (r) => (r.as_of ? near(r.as_of, frame.now) : hm(r.at)) },
      { name: "Outcome", cell: (r) => r.came_to },
      { name: "Dearest risk", cell: (r) => r.risks[0]?.text ?? r.text },
      { name: "At risk", class: "n", cell: (r) => (r.risks.length ? sum(r.risks[0].money, body.currency) : "") },
    ],
  });
}

const sum = (value, currency) => (none(value) ? "unknown" : money(value, currency));

function outcome(ctx, look) {
  return panel(
    { "data-key": "outcome" },
    head("Outcome", `${look.principal} ${look.came_to}`),
    h("p", {}, look.text),
    look.open_plans.length ? h("p", {}, h("a", { href: ctx.href({ screen: "orders" }) }, `${look.open_plans.length === 1 ? "Its plan" : `${look.open_plans.length} plans`} may wait for approval: Orders`)) : null,
    look.changes.length ? [h("h3", { class: "label-2" }, "Since its last look"), h("ul", {}, look.changes.map((one) => h("li", {}, one)))] : null,
  );
}

function risks(body, look) {
  return panel(
    { "data-key": "risks" },
    head("Ranked risks", "expected loss if nothing is done"),
    look.risks.length
      ? table({
          label: "Ranked risks",
          rows: look.risks,
          columns: [
            { name: "Risk", cell: (r) => h("span", { class: "plain" }, r.text) },
            { name: "Loss", class: "n", cell: (r) => sum(r.money, body.currency) },
          ],
        })
      : h("p", { class: "quiet" }, "None."),
  );
}

// The steps of a look are read when somebody wants to see them: a transcript may be long.
function steps(ctx, look) {
  const { ui } = ctx;
  const shown = ui.steps?.look_id === look.look_id ? ui.steps : null;
  const read = async () => {
    try {
      ui.steps = await get("/page/look", { zone: look.zone, look_id: look.look_id });
      ctx.draw();
    } catch (error) {
      ctx.say(error.message);
    }
  };
  return panel(
    { "data-key": "steps" },
    head("Transcript", `${day(look.at)} ${hm(look.at)} UTC`, shown ? null : h("button", { type: "button", class: "button small", "data-steps": true, onclick: read }, "Show every step")),
    shown
      ? h(
          "ol",
          { class: "alarms", tabindex: 0, "aria-label": "Steps of the look" },
          shown.steps.map((one) => h("li", { class: "alarm", "data-step": one.act }, icon(one.verdict === "refused" || one.verdict === "error" ? "warning" : "info"), h("span", {}, `${one.act}, ${one.verdict}`), h("time", { datetime: one.at }, hm(one.at)), h("p", {}, one.text))),
        )
      : h("p", { class: "quiet" }, "Its questions, the answers, and the plans that it asked for."),
  );
}
