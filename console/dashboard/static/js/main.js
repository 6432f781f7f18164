// The shell: address, stream, frame, keys. Screens render from what the stream says; nothing here knows the plant.
import { Chart, forgetColors } from "/static/js/chart.js";
import { get } from "/static/js/client.js";
import { patch } from "/static/js/dom.js";
import { countdown, none, setKinds, setPowerScale } from "/static/js/format.js";
import { banners, rail, tabs, top, verdictOf } from "/static/js/frame.js";
import { nothingYet } from "/static/js/parts.js";
import { SHEETS, openSheet } from "/static/js/sheets.js";
import { Stream } from "/static/js/stream.js";
import * as agent from "/static/js/screens/agent.js";
import * as assets from "/static/js/screens/assets.js";
import * as forecasts from "/static/js/screens/forecasts.js";
import * as health from "/static/js/screens/health.js";
import * as money from "/static/js/screens/money.js";
import * as now from "/static/js/screens/now.js";
import * as orders from "/static/js/screens/orders.js";
import * as plan from "/static/js/screens/plan.js";
import * as zones from "/static/js/screens/zones.js";

export const SCREENS = { now, plan, assets, orders, money, forecasts, health, agent, zones };
const ORDER = Object.keys(SCREENS);
const REDRAW_MS = 200;

const $ = (id) => document.getElementById(id);
const charts = new Map();
const ui = Object.fromEntries(ORDER.map((name) => [name, {}]));
const phone = matchMedia("(max-width: 719px)");
let me = { name: "", may_operate: false, may_approve: false };
let last = { verdict: "", worst: "" };
let drawnAt = 0;
let due = null;
let place = read();
let keysOn = remembered("vpp-keys") !== "off";

const stream = new Stream({ onView: () => draw(), onState: onLost });

function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // A private window keeps nothing.
  }
}

function read() {
  const query = new URLSearchParams(location.search);
  const screen = SCREENS[query.get("screen")] ? query.get("screen") : "now";
  return { screen, zone: query.get("zone"), at: query.get("at"), wall: query.has("wall"), once: query.has("once") };
}

function href(change) {
  const to = { ...place, ...change };
  const query = new URLSearchParams();
  if (to.screen !== "now") query.set("screen", to.screen);
  for (const name of ["zone", "at"]) if (to[name]) query.set(name, to[name]);
  if (to.wall) query.set("wall", "1");
  if (to.once) query.set("once", "1");
  const text = query.toString();
  return text ? `?${text}` : "/";
}

function go(change, { replace = false } = {}) {
  const before = place;
  history[replace ? "replaceState" : "pushState"](null, "", href(change));
  place = read();
  moved(before);
}

function moved(before) {
  if (before.screen !== place.screen) {
    dropCharts();
    window.scrollTo(0, 0);
  }
  ask();
}

function ask() {
  const query = new URLSearchParams({ screen: place.screen });
  if (place.zone) query.set("zone", place.zone);
  if (place.at || place.once) {
    if (place.at) query.set("at", place.at);
    stream.once(`/page/screen?${query}`);
  } else {
    stream.open(query);
  }
}

const asTable = () => remembered("vpp-table") === "1";

function context() {
  const { frame = { zones: [], verdict: { state: "waiting", word: "…", cause: "" } }, body = {}, error } = stream.view;
  setPowerScale(frame.power);
  setKinds(frame);
  return {
    frame,
    body,
    error,
    me,
    place,
    ui: ui[place.screen],
    lost: stream.lost,
    back: Boolean(place.at),
    narrow: phone.matches,
    asTable: asTable(),
    may: { operate: me.may_operate && !stream.lost && !place.at, approve: me.may_approve && !stream.lost && !place.at },
    href,
    go,
    draw,
    chart,
    readout,
    say: (words) => ($("said").textContent = words),
    sheet: (name, given) => openSheet(name, context(), given),
    toggleTable,
    refresh: () => (place.at || place.once ? ask() : null),
  };
}

function draw() {
  if (due) return;
  const wait = Math.max(0, drawnAt + REDRAW_MS - performance.now());
  due = setTimeout(() => requestAnimationFrame(drawNow), wait);
}

function drawNow() {
  due = null;
  drawnAt = performance.now();
  const ctx = context();
  const screen = SCREENS[place.screen];
  patch($("top"), top(ctx));
  patch($("banners"), banners(ctx));
  patch($("rail"), rail(ctx, ORDER, SCREENS));
  patch($("tabs"), tabs(ctx, SCREENS));
  document.body.toggleAttribute("data-wall", place.wall);
  document.body.toggleAttribute("data-lost", stream.lost);
  document.body.dataset.screen = place.screen;
  if (stream.view.frame) {
    // Before the first record of a run there is no zone to show.
    const empty = !ctx.frame.zone && !ctx.error && place.screen !== "now";
    patch($("content"), empty ? nothingYet(screen.name) : screen.render(ctx));
    if (!empty) screen.after?.(ctx);
    sweep();
    document.body.dataset.ready = place.screen;
  }
  announce(ctx);
  tick();
}

function chart(key, spec) {
  const holder = document.querySelector(`[data-chart="${key}"]`);
  if (!holder) return;
  let one = charts.get(key);
  if (one && one.holder !== holder) {
    one.destroy();
    one = null;
  }
  if (!one) {
    one = new Chart(holder);
    charts.set(key, one);
  }
  one.show(spec);
}

function sweep() {
  for (const [key, one] of charts) {
    if (!one.holder.isConnected) {
      one.destroy();
      charts.delete(key);
    }
  }
}

function dropCharts() {
  for (const one of charts.values()) one.destroy();
  charts.clear();
  patch($("content"), []);
}

function readout(key, words) {
  const node = document.querySelector(`[data-readout="${key}"]`);
  if (node && node.textContent !== words) node.textContent = words;
}

function announce(ctx) {
  const { frame, lost } = ctx;
  const verdict = verdictOf(ctx);
  const words = lost ? "No connection to the plant" : `${verdict.word}${verdict.cause ? `, ${verdict.cause}` : ""}`;
  const name = SCREENS[place.screen].name;
  document.title = `${lost ? "No connection" : verdict.word} · ${frame.zone ?? "SmartGrid-AI"} · ${name}`;
  if (words !== last.verdict) {
    last.verdict = words;
    $("said").textContent = words;
  }
  const worst = lost ? "lost" : ["critical", "hold"].includes(verdict.state) ? verdict.state : "";
  if (worst && worst !== last.worst) $("alarm").textContent = words;
  last.worst = worst;
}

function onLost(lost) {
  draw();
  if (!lost) get("/page/me").then((answer) => ((me = answer), draw())).catch(() => {});
}

// Numbers that only a clock moves: countdowns and the age of the newest slot.
function tick() {
  const wall = Date.now();
  for (const node of document.querySelectorAll("[data-countdown]")) {
    const left = (new Date(node.dataset.countdown) - wall) / 1000;
    const words = node.dataset.form === "bare" ? countdown(left) : `The first offer ends in ${countdown(left)}.`;
    if (node.textContent !== words) node.textContent = words;
    const mark = left <= 0 ? "0" : left <= 60 ? "1" : left <= 300 ? "5" : "";
    if (mark && node.dataset.spoken !== mark && node.dataset.form === "bare") {
      node.dataset.spoken = mark;
      $("said").textContent = mark === "0" ? "The offer has ended" : `The offer ends in ${mark} minute${mark === "1" ? "" : "s"}`;
    }
  }
}
setInterval(tick, 1000);

function toggleTable() {
  remember("vpp-table", asTable() ? "0" : "1");
  dropCharts();
  draw();
}

function toggleTheme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  remember("vpp-theme", root.dataset.theme);
  recolor();
}

function recolor() {
  forgetColors();
  for (const one of charts.values()) one.redraw();
}

const KEYS = {
  z: () => document.querySelector(".zone-button")?.click(),
  t: toggleTable,
  d: toggleTheme,
  w: () => go({ wall: !place.wall }),
  a: () => document.querySelector("[data-approve]")?.focus(),
  h: () => context().may.operate && openSheet("hold", context()),
  "?": () => openSheet("keys", { ...context(), keysOn, toggleKeys: () => ((keysOn = !keysOn), remember("vpp-keys", keysOn ? "on" : "off")) }),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.querySelector(".zone-list, .tabs .more")) {
    document.dispatchEvent(new Event("close-menus"));
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea, dialog")) return;
  if (!keysOn && event.key !== "?") return;
  const n = Number(event.key);
  if (n >= 1 && n <= ORDER.length) go({ screen: ORDER[n - 1] });
  else if (["j", "k"].includes(event.key)) document.querySelector("tr.pick[tabindex='0']")?.focus();
  else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='?'], a[href='/']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, "", link.getAttribute("href"));
  const before = place;
  place = read();
  moved(before);
});

addEventListener("popstate", () => {
  const before = place;
  place = read();
  moved(before);
});
addEventListener("theme", recolor);
document.addEventListener("redraw", draw);
phone.addEventListener("change", () => (dropCharts(), draw()));
matchMedia("(min-width: 1800px)").addEventListener("change", () => (dropCharts(), draw()));
document.fonts?.ready.then(() => {
  for (const one of charts.values()) one.redraw();
});

get("/page/me")
  .then((answer) => {
    me = answer;
    draw();
  })
  .catch(() => {});
drawNow();
ask();
window.vpp = { go, charts, stream, none, SHEETS };
