// All zones: totals, then one line per zone; only the lines in sight are in the page, so a thousand zones are light.
import { h } from "/static/js/dom.js";
import { money, near, none, number, percent, plainMoney, powerText, symbol } from "/static/js/format.js";
import { icon } from "/static/js/icons.js";
import { gauge, panel, segments, spark, title } from "/static/js/parts.js";

export const name = "All zones";
const RANK = { critical: 0, warning: 1, normal: 2 };
const ROW = 28;
const ABOVE = 8;
const SORTS = {
  alarm: (a, b) => RANK[a.alarm.state] - RANK[b.alarm.state] || (a.pnl ?? 0) - (b.pnl ?? 0),
  money: (a, b) => (a.pnl ?? 0) - (b.pnl ?? 0),
  deviation: (a, b) => (b.deviation_mw ?? -1) - (a.deviation_mw ?? -1),
};
const WORDS = { alarm: "alarm, then money", money: "money", deviation: "deviation from the plan" };

export function render(ctx) {
  const { body, ui } = ctx;
  const sort = ui.sort ?? "alarm";
  if (!body.zones?.length) return [title(name), panel({ class: "empty", "data-key": "none" }, h("h2", {}, "No zones yet"), h("p", {}, "Start a plant: vpp up"))];
  const rows = [...body.zones].sort((a, b) => SORTS[sort](a, b) || a.zone.localeCompare(b.zone));
  return [
    title(
      name,
      `${rows.length === 1 ? "1 zone" : `${rows.length} zones`}, sorted by ${WORDS[sort]}`,
      segments("Sort by", [["alarm", "Alarm"], ["money", "Money"], ["deviation", "Deviation"]], sort, (to) => ((ui.sort = to), ctx.draw())),
    ),
    body.totals.map((one) => totals(one)),
    list(ctx, rows),
  ];
}

// A power as its number and its unit. Zones differ in size, so each line has a unit of its own.
const parted = (mw, scale, how) => (none(mw) ? ["n/a", ""] : powerText(mw, scale, how).split(" "));

function totals(one) {
  const cell = (label, big, unit, text) => h("div", { class: "value" }, h("p", { class: "label" }, label), h("p", { class: `big${big === "n/a" ? " none" : ""}` }, big, unit && big !== "n/a" ? h("small", {}, unit) : null), h("p", { class: "next" }, text));
  const states = Object.entries(one.states).filter(([, n]) => n).map(([k, n]) => `${n} ${k}`).join(" · ");
  return h(
    "section",
    { class: "panel values", "data-count": 5, "data-key": `total-${one.currency}`, "aria-label": `Totals in ${one.currency}` },
    cell("Zones", String(one.zones), "", states),
    cell("Import from the grid", ...parted(one.import_mw, one.power), none(one.cap_mw) ? "" : `caps ${powerText(one.cap_mw, one.power)} together`),
    cell("Plants, into the grid", ...parted(one.plant_mw, one.power, { plus: true }), none(one.next_mw) ? "" : `next ${powerText(one.next_mw, one.power, { plus: true })}`),
    cell("Batteries", none(one.soc) ? "n/a" : String(Math.round(100 * one.soc)), "%", none(one.stored_mwh) ? (one.batteries ? "not measured" : "no battery") : `${powerText(one.stored_mwh, one.power)}h of ${powerText(one.energy_mwh, one.power)}h`),
    cell("Money, 24 h", money(one.pnl, one.currency, { plus: true }), "", none(one.against) ? "" : `${money(one.against, one.currency, { plus: true })} against no action`),
  );
}

function columnsOf(ctx, rows) {
  const currencies = new Set(rows.map((r) => r.currency));
  const unit = currencies.size === 1 ? symbol([...currencies][0]) : "";
  const na = (v, text) => (none(v) ? h("span", { class: "quiet" }, "n/a") : text);
  return [
    { name: "Zone", cell: (r) => r.zone },
    { name: "Alarm", cell: (r) => alarm(r, ctx) },
    { name: "Import, 24 h", class: "wide", cell: (r) => spark(r.spark, { width: 148, limit: r.cap_mw, words: (v) => powerText(v, r.power) }) },
    { name: "Import", class: "n", cell: (r) => h("b", {}, na(r.import_mw, powerText(r.import_mw, r.power))) },
    { name: "To cap", class: "n wide", cell: (r) => na(r.room_mw, powerText(r.room_mw, r.power)) },
    { name: "Plant", class: "n wide", cell: (r) => na(r.plant_mw, powerText(r.plant_mw, r.power, { plus: true })) },
    { name: "Next", class: "n wide", cell: (r) => na(r.next_mw, powerText(r.next_mw, r.power, { plus: true })) },
    { name: "Charge", class: "wide", cell: (r) => (none(r.soc) ? h("span", { class: "quiet" }, "n/a") : h("span", { class: "charge" }, gauge({ value: r.soc, start: 0, tone: "battery", ends: [[0.95, 1]] }), percent(r.soc))) },
    { name: `${unit || "Price "}/MWh`, class: "n wide", cell: (r) => na(r.price, number(r.price, 0)) },
    { name: `${unit || "Money"}, 24 h`, class: "n", cell: (r) => h("b", {}, unit ? plainMoney(r.pnl) : money(r.pnl, r.currency)) },
    { name: "against no action", class: "n wide", cell: (r) => (none(r.against) ? "n/a" : unit ? (r.against > 0 ? "+" : "") + plainMoney(r.against) : money(r.against, r.currency, { plus: true })) },
  ];
}

function alarm(r, ctx) {
  const { state, text, at } = r.alarm;
  if (state === "normal") return h("span", { class: "quiet" }, "–");
  return h("span", { class: `state ${state}` }, icon(state), h("span", { class: "sr" }, `${state}: `), text, none(at) ? null : h("span", { class: "quiet wide" }, near(at, ctx.body.now)));
}

function list(ctx, rows) {
  const { ui } = ctx;
  const columns = columnsOf(ctx, rows);
  const windowed = rows.length > 60;
  const first = windowed ? Math.max(0, Math.floor((ui.top ?? 0) / ROW) - ABOVE) : 0;
  const last = windowed ? Math.min(rows.length, first + 60 + 2 * ABOVE) : rows.length;
  ui.picked = Math.min(ui.picked ?? 0, rows.length - 1);
  const open = (n) => ctx.go({ screen: "now", zone: rows[n].zone });
  const spacer = (n) => h("tr", { class: "spacer", "aria-hidden": "true", "data-key": `s${n > 0 ? "b" : "a"}` }, h("td", { colspan: columns.length, height: n }));
  const key = (event, n) => {
    const to = { ArrowDown: n + 1, j: n + 1, ArrowUp: n - 1, k: n - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") open(n);
    else if (to !== undefined && to >= 0 && to < rows.length) {
      ui.picked = to;
      const row = event.currentTarget.parentElement.querySelector(`[data-n="${to}"]`);
      event.currentTarget.tabIndex = -1;
      if (row) {
        row.tabIndex = 0;
        row.focus();
      }
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return panel(
    { class: "flush zones-list", "data-key": "list" },
    h(
      "div",
      { class: "scroll", role: "region", "aria-label": "Zones", tabindex: 0, "data-windowed": windowed },
      h(
        "table",
        { class: "dense", "aria-rowcount": rows.length + 1 },
        h("thead", {}, h("tr", {}, columns.map((c) => h("th", { class: c.class || null, scope: "col" }, c.name)))),
        h(
          "tbody",
          {},
          windowed && first ? spacer(first * ROW) : null,
          rows.slice(first, last).map((r, n) => {
            const at = first + n;
            return h(
              "tr",
              { class: "pick", "data-n": at, "data-key": r.zone, "aria-rowindex": at + 2, tabindex: at === ui.picked ? 0 : -1, onclick: () => open(at), onkeydown: (event) => key(event, at) },
              columns.map((c, i) => h(i ? "td" : "th", { class: c.class || null, scope: i ? null : "row" }, c.cell(r))),
            );
          }),
          windowed && last < rows.length ? spacer((rows.length - last) * ROW) : null,
        ),
      ),
    ),
  );
}

export function after(ctx) {
  const box = document.querySelector(".zones-list .scroll[data-windowed]");
  if (!box || box.dataset.watched) return;
  box.dataset.watched = "1";
  box.addEventListener("scroll", () => {
    ctx.ui.top = box.scrollTop;
    document.dispatchEvent(new Event("redraw"));
  });
}
