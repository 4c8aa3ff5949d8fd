// @ts-check
/**
 * Replay: plays a log forward. The server keeps the time; pausing closes its stream, and playing on opens another one where this
 * one stopped, so nothing is held anywhere in between.
 */

/**
 * @typedef {object} Screen
 * @property {() => number} position that is shown
 * @property {(position: number) => void} show
 * @property {(text: string) => void} say
 */

export class Replay {
  /** @type {EventSource | null} */
  #source = null;
  #position = 0;

  /**
   * @param {HTMLElement} root
   * @param {Screen} screen
   */
  constructor(root, screen) {
    this.root = root;
    this.screen = screen;
    this.button = /** @type {HTMLButtonElement} */ (root.querySelector(".tm-play"));
    this.speed = /** @type {HTMLSelectElement} */ (root.querySelector(".tm-speed"));
    this.button.addEventListener("click", () => (this.isPlaying ? this.pause() : this.#play(this.screen.position())));
    this.speed.addEventListener("change", () => this.isPlaying && this.#play(this.#position));
    root.querySelector(".tm-step")?.addEventListener("click", () => this.#step());
  }

  get isPlaying() {
    return this.#source !== null;
  }

  pause() {
    if (!this.isPlaying) return;
    this.#stop(this.#text("paused", { position: this.#position }));
  }

  #step() {
    const from = this.isPlaying ? this.#position : this.screen.position();
    this.pause();
    if (from < Number(this.root.dataset.head)) this.screen.show(from + 1);
    else this.screen.say(this.#text("end"));
  }

  /** @param {number} position */
  #play(position) {
    this.#close();
    this.#position = position;
    const url = new URL(this.root.dataset.stream ?? "", location.href);
    url.searchParams.set("after", String(position));
    url.searchParams.set("speed", this.speed.value);
    const source = new EventSource(url);
    this.#source = source;
    this.button.textContent = this.#text("pause");
    this.button.setAttribute("aria-pressed", "true");
    /** @type {[string, (data: any) => void][]} */
    const handlers = [
      ["replay.open", () => this.screen.say(this.#text("playing", { speed: this.speed.value }))],
      ["replay.change", (data) => this.#reached(data)],
      ["replay.gap", (data) => this.screen.say(this.#text("gap", { time: duration(data.seconds), shown: duration(data.shown_seconds) }))],
      ["replay.end", () => this.#stop(this.#text("end"))],
      ["stream.close", (data) => this.#closed(data)],
    ];
    for (const [name, handle] of handlers) {
      source.addEventListener(name, (event) => this.#source === source && handle(JSON.parse(/** @type {MessageEvent} */ (event).data)));
    }
    // It would come back by itself, to where it began; going on is for whoever presses Play.
    source.onerror = () => this.#source === source && this.#stop(this.#text("lost"));
  }

  /** @param {{position: number}} data */
  #reached(data) {
    this.#position = data.position;
    this.screen.say(this.#text("playing", { speed: this.speed.value }));
    this.screen.show(data.position);
  }

  /** @param {{reconnect: boolean, retry_ms: number}} data */
  #closed(data) {
    if (!data.reconnect) return this.#stop(this.#text("refused"));
    const source = this.#source;
    source?.close();
    setTimeout(() => this.#source === source && this.#play(this.#position), data.retry_ms);
  }

  /** @param {string} text */
  #stop(text) {
    this.#close();
    this.button.textContent = this.#text("play");
    this.button.setAttribute("aria-pressed", "false");
    this.screen.say(text);
  }

  #close() {
    this.#source?.close();
    this.#source = null;
  }

  /**
   * @param {string} name
   * @param {Record<string, string | number>} [values]
   */
  #text(name, values = {}) {
    const template = this.root.dataset[`text${name[0].toUpperCase()}${name.slice(1)}`] ?? "";
    return template.replace(/\{(\w+)\}/g, (place, key) => String(values[key] ?? place));
  }
}

/** @param {number} seconds */
function duration(seconds) {
  const units = [["day", 86_400], ["hour", 3_600], ["minute", 60]];
  const [unit, size] = units.find(([, size]) => seconds >= Number(size)) ?? ["second", 1];
  const count = Math.round(seconds / Number(size));
  const language = document.documentElement.lang || "en";
  return new Intl.NumberFormat(language, { style: "unit", unit: String(unit), unitDisplay: "long" }).format(count);
}
