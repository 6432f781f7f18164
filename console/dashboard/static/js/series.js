// One grid of half slots per page: starts at even places, middles at odd ones. Off the grid is undefined, missing null.

export class Grid {
  constructor(from, to, step) {
    this.half = step / 2;
    this.from = from;
    this.count = Math.round((to - from) / this.half) + 1;
    this.x = Array.from({ length: this.count }, (_, n) => from + n * this.half);
  }

  empty() {
    return new Array(this.count).fill(undefined);
  }

  at(t) {
    const n = Math.round((t - this.from) / this.half);
    return n >= 0 && n < this.count ? n : -1;
  }

  // Values at the middle of their slots.
  middles(t, values) {
    const out = this.empty();
    t.forEach((start, n) => {
      const place = this.at(start + this.half);
      if (place >= 0) out[place] = values[n];
    });
    return out;
  }

  // Values at the start of their slots, the last held to its end.
  steps(t, values, end = null) {
    const out = this.empty();
    let last = null;
    t.forEach((start, n) => {
      if (n >= values.length) return;
      const place = this.at(start);
      if (place < 0) return;
      out[place] = values[n];
      last = values[n] === null ? null : n;
    });
    if (last !== null) {
      const close = this.at(end ?? (t[last + 1] ?? t[last] + 2 * this.half));
      if (close >= 0 && out[close] === undefined) out[close] = values[last];
    }
    return out;
  }

  // Values at the end of their slots, such as a state of charge.
  ends(t, values) {
    const out = this.empty();
    t.forEach((start, n) => {
      const place = this.at(start + 2 * this.half);
      if (place >= 0) out[place] = values[n];
    });
    return out;
  }
}

export const withStart = (out, grid, t, value) => {
  const place = grid.at(t);
  if (place >= 0 && value !== null && value !== undefined) out[place] = value;
  return out;
};

export const bounds = (lists, also = []) => {
  let [low, high] = [Infinity, -Infinity];
  for (const list of lists) {
    for (const v of list || []) {
      if (v === null || v === undefined) continue;
      if (v < low) low = v;
      if (v > high) high = v;
    }
  }
  for (const v of also) {
    if (v === null || v === undefined) continue;
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  return low > high ? [0, 1] : [low, high];
};

export const lastKnown = (t, values) => {
  for (let n = values.length - 1; n >= 0; n -= 1) if (values[n] !== null && values[n] !== undefined) return [t[n], values[n]];
  return null;
};
