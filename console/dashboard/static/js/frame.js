// What stands around every screen: top bar, banners, rail, tabs.
import { h } from "/static/js/dom.js";
import { age, day, hm, none } from "/static/js/format.js";
import { icon } from "/static/js/icons.js";

let zonesOpen = false;
let moreOpen = false;
let wanted = "";

const redraw = () => document.dispatchEvent(new Event("redraw"));
document.addEventListener("close-menus", () => {
  zonesOpen = moreOpen = false;
  redraw();
});
document.addEventListener("click", (event) => {
  if ((zonesOpen && !event.target.closest(".zone-switch")) || (moreOpen && !event.target.closest(".tabs"))) {
    zonesOpen = moreOpen = false;
    redraw();
  }
});

export function top(ctx) {
  const { frame, lost } = ctx;
  const verdict = lost ? { state: "lost", word: "No connection", cause: "values below are old" } : verdictOf(ctx);
  const clock = frame.clock ?? { text: "", mode: "" };
  const stale = clock.stale && !lost;
  return [
    h("div", { class: "brand", "data-key": "brand" }, icon("brand"), "SmartGrid-AI"),
    zoneSwitch(ctx),
    h("div", { class: "verdict", "data-state": verdict.state, "data-key": "verdict" }, icon(verdict.state), h("b", {}, verdict.word), verdict.cause ? h("span", {}, verdict.cause) : null),
    h("div", { class: "space", "data-key": "space" }),
    none(frame.now)
      ? null
      : h(
          "div",
          { class: "clock", "data-key": "clock" },
          lost ? h("span", {}, "as of") : null,
          h("time", { datetime: frame.now }, `${hm(frame.now)} UTC`),
          h("span", {}, day(frame.now, { year: !ctx.narrow })),
          none(clock.age_s) ? null : h("span", { class: `age${stale ? " stale" : ""}` }, `${age(Math.max(clock.age_s, 0))} old`),
        ),
    clock.text ? h("span", { class: "pill", "data-key": "mode" }, clock.text) : null,
    holdButton(ctx),
  ];
}

// On All zones: of all of them. Elsewhere: of the zone.
export function verdictOf({ frame, body, place }) {
  const zones = place.screen === "zones" ? body.zones ?? [] : [];
  if (!zones.length) return frame.verdict;
  const worst = ["critical", "warning"].find((one) => zones.some((zone) => zone.alarm.state === one));
  if (worst !== "critical" && frame.workers?.cause) return { state: "warning", word: "Warning", cause: frame.workers.cause };
  if (!worst) return { state: "normal", word: "Normal", cause: "" };
  const those = zones.filter((zone) => zone.alarm.state === worst).map((zone) => zone.zone);
  return { state: worst, word: `${those.length} ${worst}`, cause: those.slice(0, 2).join(", ") + (those.length > 2 ? ` and ${those.length - 2} more` : "") };
}

function holdButton(ctx) {
  if (!ctx.frame.zone || ctx.back) return null;
  if (ctx.frame.hold?.whole) return null;
  if (!ctx.me.may_operate) return null;
  return h("button", { type: "button", class: "button hold", "data-key": "hold", disabled: !ctx.may.operate, "aria-label": "Hold the plant…", onclick: () => ctx.sheet("hold") }, icon("hold"), h("span", {}, "Hold…"));
}

// The list is drawn with the next frame of the page, however late that is.
function focusFilter() {
  const filter = document.getElementById("zone-filter");
  if (filter) filter.focus();
  else if (zonesOpen) setTimeout(focusFilter, 50);
}

function zoneSwitch(ctx) {
  const { frame, place } = ctx;
  if (!frame.zones?.length) return h("div", { class: "zone-switch", "data-key": "zones" });
  const shown = frame.zones.filter((zone) => zone.toLowerCase().includes(wanted.toLowerCase())).slice(0, 200);
  const pick = (zone) => {
    zonesOpen = false;
    wanted = "";
    ctx.go({ zone, screen: place.screen === "zones" ? "now" : place.screen });
    document.querySelector(".zone-button")?.focus();
  };
  return h(
    "div",
    { class: "zone-switch", "data-key": "zones" },
    h(
      "button",
      {
        type: "button",
        class: "zone-button",
        "aria-expanded": String(zonesOpen),
        onclick: () => {
          zonesOpen = !zonesOpen;
          redraw();
          focusFilter();
        },
      },
      place.screen === "zones" ? "All zones" : frame.zone,
      icon("down"),
    ),
    zonesOpen
      ? h(
          "div",
          { class: "zone-list" },
          h("input", {
            id: "zone-filter",
            class: "field",
            "aria-label": "Filter zones",
            placeholder: "Type to filter",
            oninput: (event) => {
              wanted = event.target.value;
              redraw();
            },
            onkeydown: (event) => {
              if (event.key === "Enter" && shown.length) pick(shown[0]);
              if (event.key === "Escape") {
                zonesOpen = false;
                redraw();
                document.querySelector(".zone-button")?.focus();
              }
            },
          }),
          h("ul", {}, shown.map((zone) => h("li", { "data-key": zone }, h("button", { type: "button", "aria-current": String(zone === frame.zone), onclick: () => pick(zone) }, zone)))),
        )
      : null,
  );
}

export function banners(ctx) {
  const { frame, lost, place } = ctx;
  const banners = [];
  if (lost) {
    banners.push(
      h(
        "div",
        { class: "banner", "data-kind": "lost", "data-key": "lost" },
        icon("lost"),
        h("p", {}, h("b", {}, "No connection to the plant. "), `Everything below stands as of ${hm(frame.now)} UTC and does not change. The plant goes on without this page. Trying again…`),
        h("button", { type: "button", class: "button small", onclick: () => location.reload() }, "Try now"),
      ),
    );
  }
  if (place.at) {
    banners.push(
      h(
        "div",
        { class: "banner", "data-kind": "back", "data-key": "back" },
        icon("clock"),
        h("p", {}, h("b", {}, `Looking back at ${hm(place.at)} UTC, ${day(place.at, { year: true })}. `), "This is what the plant knew then. Commands are off."),
        h("button", { type: "button", class: "button small", onclick: () => ctx.go({ at: null }) }, "Back to now"),
      ),
    );
  }
  if (frame.hold && !lost) {
    const { hold } = frame;
    const of = hold.whole ? `the whole fleet in ${frame.zone}` : hold.scope;
    banners.push(
      h(
        "div",
        { class: "banner", "data-kind": "hold", "data-key": "hold" },
        icon("hold"),
        h("p", {}, h("b", {}, "Hold. "), `Automatic setpoints are stopped for ${of} since ${hm(hold.since)} UTC by ${hold.by}: “${hold.reason}”.`),
        ctx.may.operate ? h("button", { type: "button", class: "button hold small", onclick: () => ctx.sheet("release") }, "Ask for release…") : null,
      ),
    );
  }
  if (ctx.error) {
    banners.push(h("div", { class: "banner", "data-kind": "error", "data-key": "error" }, icon("warning", "warn"), h("p", {}, h("b", {}, "This screen cannot be shown now. "), ctx.error.text, ctx.error.hint ? ` ${ctx.error.hint}` : "")));
  }
  return banners;
}

function countOf(ctx, screen) {
  const count = ctx.frame.counts?.[screen];
  return count ? h("span", { class: `count${screen === "health" ? " warn" : ""}` }, h("span", { class: "sr" }, screen === "health" ? "open alarms: " : "waiting: "), count) : null;
}

export function rail(ctx, order, screens) {
  const { frame, place } = ctx;
  const { workers } = frame;
  const items = order.map((name, n) =>
    h(
      "li",
      { "data-key": name },
      h("a", { href: ctx.href({ screen: name }), "aria-current": place.screen === name ? "page" : null }, icon(name), screens[name].name, countOf(ctx, name) ?? h("span", { class: "key", "aria-hidden": "true" }, n + 1)),
    ),
  );
  const slotEnd = none(frame.now) ? null : frame.now;
  return [
    h("ul", { "data-key": "screens" }, items),
    h(
      "div",
      { class: "foot", "data-key": "foot" },
      h("div", {}, slotEnd ? `Newest slot ${hm(frame.slot)}–${hm(slotEnd)}` : "No slot yet"),
      h("div", {}, ctx.lost ? "Not connected" : workers?.over ? "The run is over" : workers?.cause ? `Workers at fault: ${workers.faults}` : workers?.known ? `${workers.running} of ${workers.total} workers run` : "Workers: n/a"),
      h("div", {}, frame.local ?? ""),
      h("div", {}, h("button", { type: "button", onclick: () => ctx.sheet("keys", {}) }, "? keys"), ctx.me.way && ctx.me.way !== "local" ? h("span", {}, ` · ${ctx.me.name}`) : null),
    ),
  ];
}

const TABS = ["now", "plan", "assets", "orders"];

export function tabs(ctx, screens) {
  const { place } = ctx;
  const short = { plan: "Plan" };
  const rest = Object.keys(screens).filter((name) => !TABS.includes(name));
  const link = (name) => h("a", { href: ctx.href({ screen: name }), "aria-current": place.screen === name ? "page" : null }, icon(name), short[name] ?? screens[name].name, countOf(ctx, name));
  return [
    h(
      "ul",
      { "data-key": "tabs" },
      TABS.map((name) => h("li", { "data-key": name }, link(name))),
      h(
        "li",
        { "data-key": "more" },
        h("button", { type: "button", "aria-expanded": String(moreOpen), "aria-current": rest.includes(place.screen) ? "page" : null, onclick: () => ((moreOpen = !moreOpen), redraw()) }, icon("more"), "More"),
      ),
    ),
    moreOpen ? h("div", { class: "more", "data-key": "menu", onclick: () => ((moreOpen = false), redraw()) }, rest.map(link)) : null,
  ];
}
