// @ts-check
/**
 * The live tail's page: rows come in over a stream of the staff's own. The browser reconnects by itself and says how far it was;
 * what comes twice then is dropped by its id. What is told of a change only ever becomes text.
 */

const MAX_ROWS = 500;
const MAX_KNOWN = 2_000;
// As Django's admin quotes a key in an address.
const QUOTED = /[:/_#?;@&=+$,"[\]<>%\n\\]/g;

class Tail {
  /** @type {Set<string>} ids that were shown */
  #known = new Set();
  /** @type {HTMLElement[]} rows that wait while it is paused */
  #waiting = [];
  #isPaused = false;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.rows = find(root, ".tail-rows");
    this.status = find(root, ".tail-status");
    this.pauseButton = find(root, ".tail-pause");
    for (const row of this.rows.querySelectorAll("[data-id]")) this.#known.add(/** @type {HTMLElement} */ (row).dataset.id ?? "");
    find(root, ".tail-live").hidden = false;
    this.pauseButton.addEventListener("click", () => this.#pause(!this.#isPaused));
    find(root, ".tail-clear").addEventListener("click", () => this.#clear());
    this.#say("connecting");
    this.#open();
  }

  #open() {
    const source = new EventSource(this.root.dataset.stream ?? "");
    /** @type {[string, (data: any) => void][]} */
    const handlers = [
      ["tail.open", () => this.#say("live")],
      ["tail.change", (data) => this.#changed(data)],
      ["tail.dropped", (data) => this.#note("dropped", data.count)],
      ["tail.skipped", (data) => this.#note("skipped", data.at_most)],
      ["stream.close", (data) => this.#closed(source, data)],
    ];
    for (const [name, handle] of handlers) {
      source.addEventListener(name, (event) => handle(JSON.parse(/** @type {MessageEvent} */ (event).data)));
    }
    source.onerror = () => this.#say(source.readyState === EventSource.CLOSED ? "refused" : "connecting");
    window.addEventListener("pagehide", () => source.close(), { once: true });
  }

  /**
   * @param {EventSource} source
   * @param {{reconnect: boolean}} data
   */
  #closed(source, data) {
    if (data.reconnect) return this.#say("connecting");
    source.close();
    this.#say("refused");
  }

  /** @param {any} data */
  #changed(data) {
    const id = String(data.id);
    if (this.#known.has(id)) return;
    this.#known.add(id);
    if (this.#known.size > MAX_KNOWN) this.#known.delete(this.#known.values().next().value ?? "");
    this.#add(this.#row(data));
  }

  /**
   * @param {"dropped" | "skipped"} what
   * @param {number} count
   */
  #note(what, count) {
    const row = copy(this.root, "#tail-note");
    find(row, "td").textContent = this.#text(what, { count });
    this.#add(row);
  }

  /** @param {HTMLElement} row */
  #add(row) {
    if (this.#isPaused) {
      this.#waiting.push(row);
      if (this.#waiting.length > MAX_ROWS) this.#waiting.shift();
      return this.#say("paused");
    }
    row.classList.add("tail-new");
    this.rows.prepend(row);
    while (this.rows.childElementCount > MAX_ROWS) this.rows.lastElementChild?.remove();
    find(this.root, ".tail-empty").hidden = true;
  }

  /** @param {any} data */
  #row(data) {
    const row = copy(this.root, "#tail-row");
    row.dataset.id = String(data.id);
    const time = /** @type {HTMLTimeElement} */ (find(row, "time"));
    time.dateTime = data.at;
    time.title = data.at;
    const [day, clock] = data.shown_at.split(" ");
    time.textContent = `${day} `;
    time.append(Object.assign(document.createElement("span"), { textContent: clock }));
    find(row, ".tail-to bdi").textContent = data.recipient;
    find(row, ".tail-chip").replaceWith(chip(this.root, ".tail-kind", data.kind));
    find(row, ".tail-reason").replaceChildren(chip(this.root, ".tail-reason-label", data.reason));
    this.#subject(row, data);
    const position = /** @type {HTMLAnchorElement} */ (find(row, ".tail-position"));
    position.append(String(data.position));
    position.title = data.cursor;
    position.href = `${(this.root.dataset.past ?? "").replace("KEY", quote(data.inbox))}?cursor=${encodeURIComponent(data.cursor)}`;
    return row;
  }

  /**
   * @param {HTMLElement} row
   * @param {any} data
   */
  #subject(row, data) {
    const link = /** @type {HTMLAnchorElement} */ (find(row, ".tail-what a"));
    if (data.kind === "read_all") {
      link.replaceWith(this.#text("readAll", { up_to: data.up_to }));
      find(row, ".tail-what code").textContent = data.category;
      find(row, ".tail-what .hub-under bdi").textContent = "";
      return;
    }
    link.href = (this.root.dataset.notification ?? "").replace("ID", data.notification);
    const { hidden, noTitle } = this.root.dataset;
    find(link, "bdi").textContent = hidden || data.title?.trim() || noTitle || "";
    find(row, ".tail-what code").textContent = data.type;
    find(row, ".tail-what .hub-under bdi").textContent = data.topic;
    find(row, ".tail-level").replaceChildren(chip(this.root, ".tail-level-chip", data.level));
  }

  /** @param {boolean} isPaused */
  #pause(isPaused) {
    this.#isPaused = isPaused;
    this.pauseButton.textContent = this.#text(isPaused ? "resume" : "pause");
    this.pauseButton.setAttribute("aria-pressed", String(isPaused));
    const waiting = this.#waiting.splice(0);
    if (!isPaused) for (const row of waiting) this.#add(row);
    this.#say(isPaused ? "paused" : "live");
  }

  #clear() {
    this.rows.replaceChildren();
    this.#waiting.length = 0;
    find(this.root, ".tail-empty").hidden = false;
    if (this.#isPaused) this.#say("paused");
  }

  /** @param {"live" | "connecting" | "paused" | "refused"} state */
  #say(state) {
    if (this.#isPaused && state === "live") state = "paused";
    this.status.dataset.state = state;
    this.status.textContent = this.#text(state, { count: this.#waiting.length });
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

/** @param {string} key */
function quote(key) {
  const quoted = key.replace(QUOTED, (character) => `_${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
  return encodeURIComponent(quoted);
}

/**
 * @param {HTMLElement} root
 * @param {string} selector of a template with one element
 * @returns {HTMLElement}
 */
function copy(root, selector) {
  const template = /** @type {HTMLTemplateElement} */ (find(root, selector));
  return /** @type {HTMLElement} */ (document.importNode(template.content, true).firstElementChild);
}

/**
 * @param {HTMLElement} root
 * @param {string} selector
 * @param {string} name of a kind of change, a reason or a level; another one stays as it is
 */
function chip(root, selector, name) {
  for (const template of root.querySelectorAll(selector)) {
    if (template instanceof HTMLTemplateElement && template.dataset.name === name) return document.importNode(template.content, true);
  }
  return document.createTextNode(name ?? "");
}

/**
 * @param {Element} root
 * @param {string} selector
 * @returns {HTMLElement}
 */
function find(root, selector) {
  const found = root.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`the page has no ${selector}`);
  return found;
}

const root = document.querySelector("[data-tail]");
if (root instanceof HTMLElement) new Tail(root);
