// Icons as paths on a 20 by 20 ground; always beside a word, so hidden from screen readers.
import { s } from "/static/js/dom.js";

const PATHS = {
  brand: ["M3 14h5v-4h4v-4h5"],
  now: ["M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14", "M10 6v4l2.5 1.5"],
  plan: ["M3 13h4V8h4v3h3V6h3"],
  assets: ["M4 5h4v11H4z", "M11 8h5v8h-5z"],
  orders: ["M5 3h10v14H5z", "M8 7h4M8 10h4M8 13h2"],
  money: ["M4 16V9M8 16V4M12 16v-5M16 16V7"],
  forecasts: ["M3 14c3 0 4-8 8-8", "M11 6l6-2M11 6l6 5"],
  health: ["M2 10h4l2-5 4 10 2-5h4"],
  agent: ["M2 10c3-5 13-5 16 0c-3 5-13 5-16 0", "M10 7.5a2.5 2.5 0 1 0 0 5a2.5 2.5 0 1 0 0-5"],
  zones: ["M3 3h5v5H3zM12 3h5v5h-5zM3 12h5v5H3zM12 12h5v5h-5z"],
  more: ["M4 10h.01M10 10h.01M16 10h.01"],
  down: ["M5 8l5 5 5-5"],
  normal: ["M10 2.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 1 0 0-15", "M6.8 10.2l2.2 2.2 4.2-4.4"],
  info: ["M10 2.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 1 0 0-15", "M10 9v5M10 6.2v.1"],
  warning: ["M10 3L18 17H2z", "M10 8v4M10 14.4v.1"],
  hold: ["M10 2.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 1 0 0-15", "M8 7.2v5.6M12 7.2v5.6"],
  lost: ["M8 6l2-2a4 4 0 0 1 6 6l-2 2", "M12 14l-2 2a4 4 0 0 1-6-6l2-2", "M4 3l12 14"],
  waiting: ["M10 2.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 1 0 0-15", "M10 6v4l3 2"],
  clock: ["M10 2.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 1 0 0-15", "M10 6v4l3 2"],
  battery: ["M2 6h13v8H2z", "M17.5 8.5v3"],
  peaker: ["M10 2c1 3 5 5 5 9.500a5 5 0 0 1-10 0c0-2 1-3 2-4c.3 1.500 1 2 1.600 2c-.6-3 .4-6 1.400-7.500z"],
  load: ["M7 2v4M13 2v4M5 6h10v3a5 5 0 0 1-10 0zM10 14v4"],
  renewable: ["M10 10V18M10 10c0-4 2-6 4-7c0 3-1 6-4 7M10 10c3-2 6-1 7 1c-3 1-5 1-7-1M10 10C7 8 4 8 3 10c2 2 5 2 7 0"],
  check: ["M4 10.5l4 4 8-9"],
  cross: ["M5 5l10 10M15 5L5 15"],
  person: ["M10 3a3.200 3.200 0 1 0 0 6.400a3.200 3.200 0 1 0 0-6.400", "M4 17c0-4 2.500-5.500 6-5.500s6 1.500 6 5.500"],
};

export function icon(name, extra = "") {
  if (name === "critical") {
    const node = s("svg", { class: `icon ${extra}`, viewBox: "0 0 20 20", "aria-hidden": "true" });
    node.append(
      s("rect", { x: 2.5, y: 2.5, width: 15, height: 15, rx: 2.5, fill: "currentColor", stroke: "none" }),
      s("path", { d: "M10 6v5M10 13.800v.1", stroke: "var(--surface)", "stroke-width": 2 }),
    );
    return node;
  }
  const paths = (PATHS[name] || PATHS.info).map((d) => s("path", { d }));
  return s("svg", { class: `icon ${extra}`, viewBox: "0 0 20 20", "aria-hidden": "true" }, paths);
}
