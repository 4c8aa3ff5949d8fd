// @ts-check
/**
 * Short words in a corner of the page: what has arrived, what can be undone, what went wrong.
 *
 * What can be undone can be undone without a pointer: by the keys that undo everywhere, wherever the focus is in the
 * bell or the inbox, and by the Tab key from where the focus was left by what was done. No toast goes while
 * somebody points at one, has the focus in one, or cannot see the page.
 */
import { focused, h, icon } from "./dom.js";
import { LAYER, lower, raise, restore } from "./layer.js";
import { noteTitle } from "./note-title.js";
import { text } from "./strings.js";

const ARRIVAL_MS = 7_000;
/** What is told nowhere else. */
const FAILURE_MS = 20_000;
const UNDO_MS = 30_000;
const HELD_MS = 2_000;
/** More arrivals than this at once are told as a number. */
const MAX_ARRIVALS = 3;
/** What a small screen has room for; the oldest goes first, and what can be undone last. */
const MAX_TOASTS = 4;
const OURS = "notification-bell, notification-inbox";
const IS_MAC = /Mac|iPhone|iPad/.test(navigator.platform);

/** @typedef {{element: HTMLElement, undo: (() => void) | null, onClose: () => void}} Toast */

export class Toasts {
  #stack = h("div", { class: "toasts", role: "region", "aria-label": text("notifications"), ...LAYER });
  // Always there, since a region that appears together with its text is not read out.
  #spoken = h("p", { class: "visually-hidden", role: "status" });
  elements = [this.#stack, this.#spoken];
  /** @type {Map<string, Toast>} */
  #toasts = new Map();
  /** @type {Set<string>} */
  #arrivals = new Set();
  #arrivedCount = 0;
  /** @type {HTMLElement | null} where the focus was left by what can be undone: from there Tab leads to the toast, once */
  #origin = null;
  /** @type {HTMLElement | null} where Tab leads back to from the toast */
  #wayBack = null;

  /**
   * @param {import("./hub-client.js").HubClient} client
   * @param {() => void} takeFocus called when a toast goes that had the focus, and what it was about has gone as well
   */
  constructor(client, takeFocus) {
    this.client = client;
    this.takeFocus = takeFocus;
    this.#stack.addEventListener("keydown", (event) => this.#pressedInside(event));
  }

  /** @param {AbortSignal} gone */
  connect(gone) {
    document.addEventListener("keydown", (event) => this.#pressed(event), { signal: gone });
    // Who comes back to a page finds what the hub was told when it was left; nothing of it can be undone.
    globalThis.addEventListener("pagehide", () => this.closeAll(), { signal: gone });
    gone.addEventListener("abort", () => this.closeAll());
  }

  /** The element that they are in has been moved. */
  moved() {
    restore(this.#stack);
  }

  /** @param {import("./fold.js").Notification} item */
  arrived(item) {
    // A hidden tab would greet its user with a heap of old toasts.
    if (document.hidden) return;
    this.#arrivedCount = this.#arrivals.size === 0 ? 1 : this.#arrivedCount + 1;
    if (this.#arrivedCount > MAX_ARRIVALS) {
      for (const key of [...this.#arrivals]) this.#close(key);
      this.#addArrival("many", "bell", text("many_arrived", { count: this.#arrivedCount }));
    } else {
      const key = `arrived:${item.id}`;
      this.#addArrival(key, item.level, noteTitle(item, () => this.#followed(key, item)));
    }
  }

  /** @param {import("./fold.js").Notification} item hidden already, archived or deleted when its toast goes */
  discarded(item) {
    const key = `discarded:${item.id}`;
    const words = h("bdi", {}, text(item.archived_at ? "deleted" : "archived", { title: item.title }));
    const undo = () => {
      this.client.undoDiscard(item.id);
      this.#close(key);
    };
    this.#add(key, item.archived_at ? "trash" : "archive", words, UNDO_MS, { undo, onClose: () => void this.client.discardNow(item.id) });
    this.#spoken.append(` ${text("undo_keys", { keys: undoKeys() })}`);
    // The list moves the focus when it is drawn without the notification, later in this turn.
    queueMicrotask(() => {
      const element = focused();
      this.#origin = element instanceof HTMLElement && isOurs(element) ? element : null;
    });
  }

  /** @param {import("./hub-client.js").Failure} failure */
  failed({ key, values }) {
    this.#add(key, "error", h("bdi", {}, text(key, values)), FAILURE_MS);
  }

  /** @param {import("./fold.js").Action} action */
  performed({ label }) {
    this.#add("performed", "success", h("bdi", {}, text("action_done", { label })), ARRIVAL_MS);
  }

  closeAll() {
    for (const key of [...this.#toasts.keys()]) this.#close(key);
  }

  /**
   * @param {string} key
   * @param {import("./fold.js").Notification} item
   */
  #followed(key, item) {
    void this.client.setRead(item, true);
    this.#close(key);
  }

  /**
   * @param {string} key
   * @param {string} iconName
   * @param {Node | string} content
   */
  #addArrival(key, iconName, content) {
    this.#add(key, iconName, content, ARRIVAL_MS);
    this.#arrivals.add(key);
  }

  /**
   * @param {string} key a second toast of the same key replaces the first
   * @param {string} iconName
   * @param {Node | string} content
   * @param {number} ms how long it is shown
   * @param {{undo?: (() => void) | null, onClose?: () => void}} [acts]
   */
  #add(key, iconName, content, ms, { undo = null, onClose = () => {} } = {}) {
    this.#close(key);
    const label = text("dismiss");
    const dismiss = h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, click: () => this.#close(key) }, icon("close"));
    const words = h("p", { class: "toast-text" }, content);
    const element = h("div", { class: "toast", "data-level": iconName }, icon(iconName), words, undo && undoButton(undo), dismiss);
    this.#makeRoom();
    this.#toasts.set(key, { element, undo, onClose });
    this.#stack.append(element);
    this.#spoken.textContent = words.textContent;
    // Shown anew, the toasts lie above a panel that was opened meanwhile.
    if (!this.#stack.matches(":focus-within")) raise(this.#stack);
    this.#closeAfter(key, element, ms);
  }

  #makeRoom() {
    if (this.#toasts.size < MAX_TOASTS) return;
    const toasts = [...this.#toasts];
    const [key] = toasts.find(([, { undo }]) => !undo) ?? toasts[0];
    this.#close(key);
  }

  /** @param {string} key */
  #close(key) {
    const toast = this.#toasts.get(key);
    if (!toast) return;
    this.#toasts.delete(key);
    this.#arrivals.delete(key);
    const hadFocus = toast.element.matches(":focus-within");
    toast.element.remove();
    if (this.#toasts.size === 0) lower(this.#stack);
    if (hadFocus && !this.#goBack()) this.takeFocus();
    toast.onClose();
  }

  /**
   * @param {string} key
   * @param {HTMLElement} element
   * @param {number} ms
   */
  #closeAfter(key, element, ms) {
    setTimeout(() => {
      if (this.#toasts.get(key)?.element !== element) return;
      if (document.hidden || this.#stack.matches(":hover, :focus-within")) this.#closeAfter(key, element, HELD_MS);
      else this.#close(key);
    }, ms);
  }

  get #newestUndoable() {
    return [...this.#toasts.values()].filter(({ undo }) => undo).at(-1);
  }

  /** @param {KeyboardEvent} event anywhere on the page */
  #pressed(event) {
    const toast = this.#newestUndoable;
    if (!toast || event.defaultPrevented) return;
    const [target] = event.composedPath();
    if (isUndo(event) && target instanceof Element && isOurs(target)) {
      event.preventDefault();
      toast.undo?.();
    } else if (isTab(event) && !event.shiftKey && this.#origin && target === this.#origin) {
      event.preventDefault();
      this.#wayBack = this.#origin;
      this.#origin = null;
      toast.element.querySelector("button")?.focus();
    }
  }

  /** @param {KeyboardEvent} event */
  #pressedInside(event) {
    const element = /** @type {Element} */ (event.target).closest(".toast");
    const [key] = [...this.#toasts].find(([, toast]) => toast.element === element) ?? [];
    if (event.key === "Escape" && key !== undefined) {
      event.stopPropagation();
      this.#close(key);
    } else if (isTab(event) && this.#wayBack) {
      const buttons = [...(element?.querySelectorAll("button") ?? [])];
      const isLeaving = event.target === (event.shiftKey ? buttons.at(0) : buttons.at(-1));
      if (isLeaving && this.#goBack()) event.preventDefault();
    }
  }

  /** @returns {boolean} whether what the focus came from is there still */
  #goBack() {
    const wayBack = this.#wayBack;
    this.#wayBack = null;
    if (!wayBack?.isConnected || wayBack.getClientRects().length === 0) return false;
    wayBack.focus();
    return true;
  }
}

/** @param {() => void} undo */
function undoButton(undo) {
  const shortcut = { "aria-keyshortcuts": IS_MAC ? "Meta+Z" : "Control+Z" };
  const keys = h("kbd", { "aria-hidden": "true" }, undoKeys());
  return h("button", { type: "button", class: "toast-action", click: undo, ...shortcut }, text("undo"), keys);
}

function undoKeys() {
  return IS_MAC ? "⌘Z" : "Ctrl+Z";
}

/** @param {KeyboardEvent} event */
function isUndo(event) {
  return event.key.toLowerCase() === "z" && (IS_MAC ? event.metaKey : event.ctrlKey) && !event.shiftKey && !event.altKey;
}

/** @param {KeyboardEvent} event */
function isTab(event) {
  return event.key === "Tab" && !event.ctrlKey && !event.metaKey && !event.altKey;
}

/**
 * @param {Element} element
 * @returns {boolean} whether it is in a bell or an inbox: what a page's own editor undoes is the editor's
 */
function isOurs(element) {
  const root = element.getRootNode();
  return element.closest(OURS) !== null || (root instanceof ShadowRoot && isOurs(root.host));
}
