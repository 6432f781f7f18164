// Numbers and times as people read them. Missing is n/a, never 0. Minus signs are true ones.

const SYMBOLS = { GBP: "£", EUR: "€", USD: "$", AUD: "A$", JPY: "¥", CHF: "CHF " };
export const NA = "n/a";
export const none = (value) => value === null || value === undefined || Number.isNaN(value);

const groups = (text) => text.replace(/\B(?=(\d{3})+(?!\d))/g, ",");

export function number(value, digits = 1) {
  if (none(value)) return NA;
  const fixed = Math.abs(value).toFixed(digits);
  const [whole, rest] = fixed.split(".");
  const text = groups(whole) + (rest ? `.${rest}` : "");
  return value < 0 && Number(fixed) !== 0 ? `−${text}` : text;
}

export function signed(value, digits = 1) {
  if (none(value)) return NA;
  const text = number(value, digits);
  return value > 0 && Number(Math.abs(value).toFixed(digits)) !== 0 ? `+${text}` : text;
}

// Powers come in MW and energies in MWh. A screen shows them in the unit that fits its zone: W, kW, MW or GW.
let scale = { unit: "MW", factor: 1, digits: 0 };

export function setPowerScale(given) {
  if (given) scale = given;
}

// The same for values beside those of the zone: of its region, or of other zones.
export const scaled = (value, { factor, digits }, places = 1) => number(none(value) ? value : value * factor, places + digits);

export const powerText = (mw, { unit, factor, digits }, { plus = false } = {}) => (none(mw) ? NA : `${(plus ? signed : number)(mw * factor, 1 + digits)} ${unit}`);

export const powerUnit = () => scale.unit;
export const powerFactor = () => scale.factor;
export const power = (mw, digits = 1) => scaled(mw, scale, digits);
export const signedPower = (mw, digits = 1) => signed(none(mw) ? mw : mw * scale.factor, digits + scale.digits);

// The 5 to 95 % of a price; a published one has none.
export const priceBand = (low, high) => (low === high ? null : `${number(low, 0)}–${number(high, 0)}`);

export const symbol = (currency) => SYMBOLS[currency] ?? (currency ? `${currency} ` : "");

export function money(value, currency, { plus = false, digits = null } = {}) {
  if (none(value)) return NA;
  const places = digits ?? (Math.abs(value) < 10 && value !== 0 && Math.round(value) !== value ? 2 : 0);
  const text = number(Math.abs(value), places);
  const zero = Number(Math.abs(value).toFixed(places)) === 0;
  const sign = zero ? "" : value < 0 ? "−" : plus ? "+" : "";
  return `${sign}${symbol(currency)}${text}`;
}

export const plainMoney = (value) => number(value, 0);
export const percent = (share, digits = 0) => (none(share) ? NA : `${number(100 * share, digits)} %`);

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (n) => String(n).padStart(2, "0");
const asDate = (value) => (typeof value === "number" ? new Date(value * 1000) : new Date(value));

export function hm(value) {
  if (none(value)) return NA;
  const at = asDate(value);
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
}

export function hms(value) {
  const at = asDate(value);
  return `${hm(value)}:${two(at.getUTCSeconds())}`;
}

export function day(value, { year = false, week = true } = {}) {
  if (none(value)) return NA;
  const at = asDate(value);
  const text = `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
  return `${week ? `${DAYS[at.getUTCDay()]}${year ? "," : ""} ` : ""}${text}${year ? ` ${at.getUTCFullYear()}` : ""}`;
}

// A time of today as HH:MM, of another day with its weekday.
export function near(value, now) {
  if (none(value)) return NA;
  const at = asDate(value);
  const same = !none(now) && asDate(now).toISOString().slice(0, 10) === at.toISOString().slice(0, 10);
  return same ? hm(value) : `${DAYS[at.getUTCDay()]} ${hm(value)}`;
}

export const span = (start, end) => `${hm(start)}–${hm(end)}`;

export function age(seconds) {
  if (none(seconds)) return NA;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

export function countdown(seconds) {
  const left = Math.max(0, Math.floor(seconds));
  return `${Math.floor(left / 60)}:${two(left % 60)}`;
}

// What people call a kind of asset and its role, as the server names the kinds that it has.
let kinds = {};
let roles = {};

export function setKinds(frame) {
  kinds = frame.kinds ?? kinds;
  roles = frame.roles ?? roles;
}

export const isStore = (kind) => roles[kind] === "store";
export const isGenerator = (kind) => roles[kind] === "generator";
// Shown even at rest.
export const isMain = (kind) => isStore(kind) || isGenerator(kind);
export const kindOrder = (kind) => Object.keys(kinds).indexOf(kind);

export const kindName = (kind) => kinds[kind] ?? kind.replaceAll("_", " ");
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
