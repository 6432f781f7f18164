// Money: by day and asset, penalties avoided, what the batteries got of perfect foresight, what if.
import { h, s } from "/static/js/dom.js";
import { capital, day, hm, isMain, isStore, kindName, money, none, number, percent, plainMoney } from "/static/js/format.js";
import { chartSlot, head, panel, segments, table, title } from "/static/js/parts.js";
import { bounds } from "/static/js/series.js";
import { ticks } from "/static/js/chart.js";

export const name = "Money";
const SPANS = { day: 1, week: 7, all: Infinity };

const total = (days, of) => days.reduce((sum, one) => sum + (of(one) ?? 0), 0);

export function render(ctx) {
  const { body, ui } = ctx;
  if (!body.days?.length) return [title(name), panel({ class: "empty", "data-key": "none" }, h("h2", {}, "Nothing is settled yet"), h("p", {}, "Money comes with the first settled slot."))];
  const days = body.days.slice(-SPANS[ui.span ?? "all"]);
  return [
    title(
      name,
      `${body.currency}, ${day(days[0].day, { week: false })} to ${day(days.at(-1).day, { week: false })}, settled at actual prices`,
      segments("Period", [["day", "Today"], ["week", "7 d"], ["all", "All"]], ui.span ?? "all", (to) => ((ui.span = to), ctx.draw())),
    ),
    values(body, days),
    h(
      "div",
      { class: "columns main-side", "data-key": "grid" },
      h("div", { class: "stack" }, chart(ctx, body), byDay(body, days)),
      h("div", { class: "stack" }, body.batteries ? waterfall(body, days) : panel({}, head("Batteries"), h("p", { class: "quiet" }, "No battery in this zone.")), whatIf(ctx)),
    ),
  ];
}

function values(body, days) {
  const { currency, today } = body;
  const plus = { plus: true };
  const kinds = (one) => Object.entries(one.by_kind).filter(([k, v]) => isMain(k) || Math.round(v)).map(([k, v]) => `${kindName(k)} ${money(v, currency, plus)}`).join(", ");
  const captured = days.filter((one) => !none(one.perfect));
  const perfect = total(captured, (one) => one.perfect);
  const got = total(captured, (one) => one.captured);
  const penalties = -total(days, (one) => one.penalties);
  const without = -total(days, (one) => one.no_action);
  const cell = (label, big, text) => h("div", { class: "value" }, h("p", { class: "label" }, label), h("p", { class: `big${big === "n/a" ? " none" : ""}` }, big), h("p", { class: "next" }, text));
  const share = perfect > 0 ? h("span", {}, number((100 * got) / perfect, 0), h("small", {}, "%")) : "n/a";
  return h(
    "section",
    { class: "panel values", "data-count": 4, "data-key": "values", "aria-label": "Money in short" },
    cell(today ? `Today, to ${hm(body.to)}` : "Today", today ? money(today.pnl, currency, plus) : "n/a", today ? kinds(today) : "nothing settled today"),
    cell("Today against no action", today ? money(today.against, currency, plus) : "n/a", today ? `no action: ${money(-today.no_action, currency)} of penalties` : ""),
    cell(days.length === body.days.length ? "All days" : `${days.length} days`, money(total(days, (one) => one.pnl), currency, plus), `penalties ${money(penalties, currency)}, without the plant ${money(without, currency)}`),
    cell("Battery against perfect foresight", share, perfect > 0 ? `${money(got, currency)} of ${money(perfect, currency)}, store counted` : body.capturing ? "being computed…" : "no battery traded"),
  );
}

function chart(ctx, body) {
  const keys = [...body.kinds.filter((k) => body.days.some((one) => Math.round(one.by_kind[k] ?? 0))), "penalties paid"];
  const legend = h(
    "span",
    { class: "legend" },
    keys.map((k) => h("span", {}, h("i", { class: `swatch ${k === "penalties paid" ? "penalty" : k}` }), kindName(k))),
    h("span", {}, h("i", { class: "swatch tick" }), "no action"),
  );
  return panel({ "data-key": "chart" }, head("By day", null, legend), h("div", { class: "charts money-chart" }, chartSlot("days", "net", "", "")));
}

function byDay(body, days) {
  const kinds = body.kinds.filter((k) => isMain(k) || days.some((one) => Math.round(one.by_kind[k] ?? 0)));
  const n = (of) => ({ class: "n", cell: of });
  return panel(
    { class: "flush", "data-key": "table" },
    table({
      label: "Money by day",
      rows: [...days].reverse(),
      columns: [
        { name: "Day", cell: (d) => h("span", { class: "plain" }, day(d.day), d.to ? h("span", { class: "quiet" }, ` to ${hm(d.to)}`) : null, Math.round(d.corrected) ? h("span", { class: "dot", title: `corrected later by ${plainMoney(d.corrected)}` }, ` ● ${plainMoney(d.corrected)}`) : null) },
        { name: "Sum", ...n((d) => h("b", {}, plainMoney(d.pnl))) },
        ...kinds.map((k) => ({ name: capital(kindName(k)), ...n((d) => plainMoney(d.by_kind[k] ?? 0)) })).map((c) => ({ ...c, class: "n wide" })),
        { name: "Penalties", ...n((d) => plainMoney(d.penalties)) },
        { name: "No action", ...n((d) => plainMoney(d.no_action)) },
        { name: "With store", cell: (d) => plainMoney(d.captured), class: "n wide" },
        { name: "Perfect", cell: (d) => plainMoney(d.perfect), class: "n wide" },
        { name: "Captured", cell: (d) => (none(d.capture_pct) ? "n/a" : percent(d.capture_pct / 100)), class: "n wide" },
      ],
    }),
  );
}

const CAUSES = { forecast: "Lost to the forecast", constraint: "Lost to limits", latency: "Lost to latency", hold: "Lost to holds" };

function waterfall(body, days) {
  const known = days.filter((one) => !none(one.perfect));
  if (!known.length) return panel({ "data-key": "fall" }, head("Where the battery’s money went"), h("p", { class: "quiet" }, body.capturing ? "Being computed…" : "No battery has traded yet."));
  const perfect = total(known, (one) => one.perfect);
  const got = total(known, (one) => one.captured);
  const lost = Object.keys(CAUSES).map((cause) => [cause, total(known, (one) => one.lost?.[cause])]);
  const [low, high] = bounds([[perfect, got, ...cumulative(perfect, lost)]], [0]);
  const x = (v) => (100 * (v - low)) / (high - low || 1);
  const bar = (from, to, tone) => s("svg", { viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" }, s("rect", { class: tone, x: Math.min(x(from), x(to)), y: 0, width: Math.max(Math.abs(x(to) - x(from)), 0.4), height: 12 }));
  let at = perfect;
  const rows = [[h("b", {}, "Perfect foresight"), bar(0, perfect, "bar-ink"), h("b", { class: "n" }, plainMoney(perfect))]];
  for (const [cause, loss] of lost) {
    rows.push([h("span", {}, CAUSES[cause]), bar(at, at - loss, "bar-grey"), h("span", { class: "n" }, plainMoney(-loss))]);
    at -= loss;
  }
  rows.push([h("b", {}, "With stored energy"), bar(0, got, "bar-battery"), h("b", { class: "n" }, plainMoney(got))]);
  const avoided = total(days, (one) => one.penalties - one.no_action);
  const limits = lost.find(([cause]) => cause === "constraint")[1];
  const notes = [
    "Stored energy counts at its worth.",
    body.after ? "The price is known only after the slot: most of it nobody could have had." : "",
    limits > 0.5 ? `Keeping the limits cost the battery ${money(limits, body.currency)}; the plant avoided ${money(avoided, body.currency)} of penalties.` : `The plant avoided ${money(avoided, body.currency)} of penalties.`,
  ];
  return panel({ "data-key": "fall" }, head("Where the battery’s money went"), h("div", { class: "options fall" }, rows), h("p", { class: "note" }, notes.join(" ")));
}

const cumulative = (start, lost) => lost.reduce((all, [, loss]) => [...all, all.at(-1) - loss], [start]);

function whatIf(ctx) {
  const shadows = Object.entries(ctx.shadows ?? {}).filter(([, one]) => one.answer?.status === "done");
  return panel(
    { "data-key": "what-if" },
    head("What if"),
    h("p", { class: "note" }, "The last days of the run again, with one setting changed. Nothing of the live run is touched."),
    shadows.length
      ? table({
          label: "Shadow runs",
          rows: shadows,
          columns: [
            { name: "Setting", cell: ([key, one]) => h("span", { class: "plain" }, `${key.replaceAll("_", " ")} × ${number(one.factor, 2)}`) },
            { name: "Gain a day", class: "n", cell: ([, one]) => [h("b", {}, money(one.answer.gain_per_day, ctx.frame.currency, { plus: true })), none(one.answer.gain_standard_error) ? "" : ` ± ${number(one.answer.gain_standard_error, 0)}`] },
            { name: "Days better", class: "n", cell: ([, one]) => `${one.answer.days_better} of ${one.answer.days}` },
          ],
        })
      : null,
    h("a", { class: "link", href: ctx.href({ screen: "plan" }) }, "Change a setting on Plan and why"),
  );
}

export function after(ctx) {
  const { body, ui } = ctx;
  if (!body.days?.length) return;
  const days = body.days.slice(-SPANS[ui.span ?? "all"]).slice(-31);
  const kinds = body.kinds.filter((k) => days.some((one) => Math.round(one.by_kind[k] ?? 0)));
  const x = days.map((_, n) => n);
  // Bars stand on one another: each series is the sum up to it, drawn from the highest to the lowest.
  const stacks = kinds.map((_, at) => days.map((one) => kinds.slice(0, at + 1).reduce((sum, k) => sum + Math.max(one.by_kind[k] ?? 0, 0), 0)));
  const losses = days.map((one) => kinds.reduce((sum, k) => sum + Math.min(one.by_kind[k] ?? 0, 0), 0) + one.penalties);
  const series = kinds.map((k, at) => ({ kind: "bars", color: k, fill: isStore(k) ? 1 : 0.76, data: stacks[at] })).reverse();
  // Below 0 likewise: penalties reach lowest, what assets lost stands over them in their colour.
  const below = kinds.map((_, at) => days.map((one) => kinds.slice(0, at + 1).reduce((sum, k) => sum + Math.min(one.by_kind[k] ?? 0, 0), 0)));
  series.push({ kind: "bars", color: "ink-3", fill: 0.75, data: losses });
  series.push(...kinds.map((k, at) => ({ kind: "bars", color: k, fill: isStore(k) ? 1 : 0.76, data: below[at] })).reverse());
  const [low, high] = bounds([...stacks, losses, days.map((one) => one.no_action)], [0]);
  const pad = (high - low) * 0.06 || 1;
  const every = Math.ceil(days.length / (ctx.narrow ? 5 : 14));
  ctx.chart("days", {
    x,
    window: [-0.6, days.length - 0.4],
    series,
    yRange: [low - pad, high + pad],
    ySplits: ticks(low - pad, high + pad, 5),
    ySize: 52,
    xSplits: x.filter((n) => n % every === 0),
    xText: (n) => (days[n] ? day(days[n].day, { week: false }) : ""),
    xLabels: true,
    right: 10,
    zero: true,
    ticks: days.map((one, n) => ({ x: n, y: one.no_action, half: Math.max(4, 200 / days.length) })),
    summary: `Money by day. ${days.map((one) => `${day(one.day, { week: false })} ${money(one.pnl, body.currency)}`).slice(-7).join(", ")}. A table stands below.`,
  });
}

export { s };
