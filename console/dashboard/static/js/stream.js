// One stream of events per page: a snapshot, then what changed. A hidden page closes it and asks anew when it is seen.

const LOST_AFTER_MS = 12000;

export class Stream {
  constructor({ onView, onState }) {
    this.onView = onView;
    this.onState = onState;
    this.view = {};
    this.source = null;
    this.heardAt = 0;
    this.failures = 0;
    this.lost = false;
    this.query = null;
    setInterval(() => this.check(), 1000);
    document.addEventListener("visibilitychange", () => {
      if (!this.query) return;
      if (document.hidden) this.close();
      else this.connect();
    });
  }

  open(query) {
    this.query = query;
    this.view = {};
    this.connect();
  }

  // Look back, or a picture: ask once and hold still.
  async once(path) {
    this.query = null;
    this.close();
    try {
      const answer = await fetch(path, { headers: { accept: "application/json" } });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      this.view = await answer.json();
      this.setLost(false);
      this.onView(this.view);
    } catch {
      this.setLost(true);
    }
  }

  connect() {
    this.close();
    this.heardAt = Date.now();
    const source = new EventSource(`/events?${this.query}`);
    this.source = source;
    const heard = () => {
      this.heardAt = Date.now();
      this.failures = 0;
      this.setLost(false);
    };
    source.addEventListener("snapshot", (event) => {
      this.view = {};
      heard();
      this.take(JSON.parse(event.data));
    });
    source.addEventListener("delta", (event) => {
      heard();
      this.take(JSON.parse(event.data));
    });
    source.addEventListener("heartbeat", heard);
    source.onerror = () => {
      this.failures += 1;
      if (this.failures >= 2) this.setLost(true);
      if (source.readyState === EventSource.CLOSED) this.again();
    };
  }

  again() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.query && !document.hidden && this.connect(), 1500);
  }

  take(parts) {
    for (const [name, value] of Object.entries(parts)) {
      const [group, key] = name.split(".");
      if (key === undefined) this.view[group] = value;
      else (this.view[group] ??= {})[key] = value;
    }
    this.onView(this.view);
  }

  check() {
    if (this.source && Date.now() - this.heardAt > LOST_AFTER_MS) {
      this.setLost(true);
      if (Date.now() - this.heardAt > 2 * LOST_AFTER_MS) this.connect();
    }
  }

  setLost(lost) {
    if (lost !== this.lost) {
      this.lost = lost;
      this.onState(lost);
    }
  }

  close() {
    this.source?.close();
    this.source = null;
  }
}
