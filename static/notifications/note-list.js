// @ts-check
/** A list of notifications as elements: made once each, since only their being read ever changes. */
import { h, icon, setIcon } from "./dom.js";
import { noteActions } from "./note-actions.js";
import { noteTitle } from "./note-title.js";
import { text } from "./strings.js";
import { showTime } from "./time.js";

const LONG_BODY_CHARACTERS = 240;
const LONG_BODY_LINES = 4;
const CLOCK_MS = 30_000;

/** @typedef {import("./fold.js").Notification} Notification */

export class NoteList {
  element = h("ul", { class: "notes", role: "list", tabindex: "-1", keydown: (/** @type {KeyboardEvent} */ event) => this.#step(event) });
  /** @type {Map<string, Note>} */
  #notes = new Map();
  #isFirst = true;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #clock;

  /** @param {import("./hub-client.js").HubClient} client */
  constructor(client) {
    this.client = client;
  }

  connect() {
    this.#clock ??= setInterval(() => this.#notes.forEach((note) => note.tick()), CLOCK_MS);
  }

  disconnect() {
    clearInterval(this.#clock);
    this.#clock = undefined;
  }

  /** Whether somebody who looks at the page sees what arrives now, at the top of the list. */
  get isTopInView() {
    const { top } = this.element.getBoundingClientRect();
    return this.element.isConnected && top >= 0 && top < document.documentElement.clientHeight;
  }

  /** The next render shows a different list, so nothing in it has just arrived. */
  restart() {
    this.#isFirst = true;
  }

  /** @param {Notification[]} items newest first */
  render(items) {
    this.#removeAllBut(new Set(items.map((item) => item.id)));
    /** @type {Element | null} */
    let place = this.element.firstElementChild;
    let isAboveKnown = !this.#isFirst;
    for (const item of items) {
      let note = this.#notes.get(item.id);
      if (note) isAboveKnown = false;
      note ??= this.#add(item, isAboveKnown);
      note.update(item);
      if (note.element === place) place = place.nextElementSibling;
      else this.element.insertBefore(note.element, place);
    }
    this.#isFirst = false;
  }

  /**
   * @param {Notification} item
   * @param {boolean} hasArrived
   */
  #add(item, hasArrived) {
    const note = new Note(item, this.client);
    if (hasArrived) note.element.classList.add("has-arrived");
    this.#notes.set(item.id, note);
    return note;
  }

  /** @param {Set<string>} ids */
  #removeAllBut(ids) {
    for (const [id, note] of this.#notes) {
      if (ids.has(id)) continue;
      const root = /** @type {Document | ShadowRoot} */ (this.element.getRootNode());
      if (note.element.contains(root.activeElement)) this.#focusBeside(note.element);
      note.element.remove();
      this.#notes.delete(id);
    }
  }

  /** @param {HTMLElement} row it is about to go, with the focus in it */
  #focusBeside(row) {
    const neighbour = row.nextElementSibling ?? row.previousElementSibling;
    const target = neighbour?.querySelector(".note-discard") ?? this.element;
    /** @type {HTMLElement} */ (target).focus();
  }

  /** @param {KeyboardEvent} event */
  #step(event) {
    const down = event.key === "ArrowDown" || event.key === "j";
    const up = event.key === "ArrowUp" || event.key === "k";
    if ((!down && !up) || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = /** @type {Element} */ (event.target).closest(".note");
    const next = down ? row?.nextElementSibling : row?.previousElementSibling;
    const target = /** @type {HTMLElement | null | undefined} */ (next?.querySelector("a, button"));
    if (!target) return;
    event.preventDefault();
    target.focus();
  }
}

/** What the two buttons of a row do, by the state of its notification: their words and icons. */
const BUTTONS = /** @type {const} */ ({
  unread: [["mark_read", "check"], ["archive", "archive"]],
  read: [["mark_unread", "dot"], ["archive", "archive"]],
  archived: [["unarchive", "inbox"], ["delete", "trash"]],
});

/** One notification's row. */
class Note {
  #toggleIcon = icon("check");
  /** @type {HTMLElement} */
  #toggle;
  #discardIcon = icon("archive");
  /** @type {HTMLElement} */
  #discard;
  /** @type {keyof typeof BUTTONS | undefined} */
  #state;
  /** @type {HTMLTimeElement} */
  #time;
  #followed = () => {
    if (this.item.read_at === null) this.#setRead(true);
  };

  /**
   * @param {Notification} item
   * @param {import("./hub-client.js").HubClient} client
   */
  constructor(item, client) {
    this.item = item;
    this.client = client;
    const titleId = `note-${item.id}`;
    this.#time = /** @type {HTMLTimeElement} */ (h("time", { datetime: item.created_at }));
    this.#toggle = h("button", { type: "button", class: "icon-button note-toggle", "aria-describedby": titleId, click: () => this.#turn() }, this.#toggleIcon);
    this.#discard = h("button", { type: "button", class: "icon-button note-discard", "aria-describedby": titleId, click: () => this.client.discard(this.item) }, this.#discardIcon);
    this.element = h(
      "li",
      { class: "note", "data-level": item.level, "data-id": item.id },
      h("span", { class: "note-level" }, icon(item.level)),
      h("div", { class: "note-main" }, this.#title(titleId), ...this.#body(), this.#offers(titleId), this.#meta()),
      h(
        "div",
        { class: "note-actions" },
        this.#toggle,
        this.#discard,
      ),
    );
    this.tick();
  }

  /** @param {Notification} item */
  update(item) {
    this.item = item;
    const state = item.archived_at ? "archived" : item.read_at === null ? "unread" : "read";
    if (state === this.#state) return;
    this.#state = state;
    this.element.toggleAttribute("data-unread", state === "unread");
    const [[toggle, toggleIcon], [discard, discardIcon]] = BUTTONS[state];
    name(this.#toggle, text(toggle));
    setIcon(this.#toggleIcon, toggleIcon);
    name(this.#discard, text(discard));
    setIcon(this.#discardIcon, discardIcon);
  }

  tick() {
    showTime(this.#time);
  }

  /** What the first button does. */
  #turn() {
    if (this.item.archived_at) void this.client.unarchive(this.item);
    else this.#setRead(this.item.read_at === null);
  }

  /** @param {boolean} read */
  #setRead(read) {
    void this.client.setRead(this.item, read);
  }

  /** @param {string} id */
  #title(id) {
    const level = h("span", { class: "visually-hidden" }, `${text(`level_${this.item.level}`)}: `);
    return h("p", { class: "note-title", id }, level, noteTitle(this.item, this.#followed));
  }

  /** @param {string} titleId */
  #offers(titleId) {
    const perform = (/** @type {import("./fold.js").Action} */ action) => this.client.perform(this.item, action);
    return noteActions(this.item, { titleId, followed: this.#followed, perform });
  }

  /** @returns {HTMLElement[]} */
  #body() {
    const { body } = this.item;
    if (!body) return [];
    const paragraph = h("p", { class: "note-body", dir: "auto" }, body);
    if (body.length <= LONG_BODY_CHARACTERS && body.split("\n").length <= LONG_BODY_LINES) return [paragraph];
    paragraph.classList.add("is-clamped");
    const button = h("button", { type: "button", class: "link-button", "aria-expanded": "false" }, text("show_more"));
    button.addEventListener("click", () => {
      const isClamped = paragraph.classList.toggle("is-clamped");
      button.textContent = text(isClamped ? "show_more" : "show_less");
      button.setAttribute("aria-expanded", String(!isClamped));
    });
    return [paragraph, button];
  }

  #meta() {
    const { category, actor } = this.item;
    const meta = h("p", { class: "note-meta" }, this.#time, h("span", {}, category));
    if (actor) meta.append(h("span", {}, h("bdi", {}, actor)));
    return meta;
  }
}

/**
 * @param {HTMLElement} button
 * @param {string} label
 */
function name(button, label) {
  button.setAttribute("aria-label", label);
  button.title = label;
}
