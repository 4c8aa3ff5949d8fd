// @ts-check
/**
 * The hub for page code, without any DOM: how it is linked, the unread count, lists, and actions.
 *
 *     const client = new HubClient({ api: "/api/v1/", csrfToken: () => token });
 *     client.addEventListener("update", () => console.log(client.link.state, client.unread));
 *     client.on("imports.file.progress", ({ data }) => console.log(data.percent));
 *     client.start();
 *
 * Events: `update` (link or count), `arrived` (`detail`: a notification that is news; whoever shows it already
 * prevents the default), `announce` (`detail`: one that nobody has shown, or that staff show again), `failed` (`detail`:
 * what could not be done), `performed` (`detail`: an action of a notification that was done), `discard` (`detail`: the notification, to be archived,
 * or deleted if it is archived already; whoever prevents the default offers to undo it, and then
 * calls `undoDiscard` or `discardNow`). Whoever tells the user prevents the default of the last four: nobody tells it twice.
 */
import { Api } from "./api.js";
import { DEFAULT_POLL_SECONDS, compareCursors } from "./policy.js";
import { TabLink } from "./tabs.js";
import { InboxView } from "./view.js";

/** How long an action is shown as done while the change that confirms it has not come. */
const CONFIRM_MS = 4_000;

/** What the hub itself sends: changes and the stream's own frames, which reach page code in other ways. */
const RESERVED = /^(notification|inbox|stream)\./;

/**
 * @typedef {import("./fold.js").Notification} Notification
 * @typedef {import("./connection.js").TransientEvent} TransientEvent
 * @typedef {"read_failed" | "delete_failed" | "load_failed" | "signed_out" | "action_refused" | "action_failed"
 *   | "action_unanswered"} FailureKey
 * @typedef {{key: FailureKey, values?: Record<string, string | number>}} Failure
 * @typedef {object} Pending what the user did and the link has not confirmed yet
 * @property {Notification} item
 * @property {boolean} [read]
 * @property {boolean} [archived] false: put back into the list
 * @property {"archive" | "delete"} [discarded] it is out of sight
 * @property {boolean} [undoable] discarded for the user only: the hub has not been told
 */

export class HubClient extends EventTarget {
  /** @type {import("./connection.js").Link} */
  link = { state: "connecting", pollSeconds: DEFAULT_POLL_SECONDS };
  /** @type {number | null} */
  #unread = null;
  /** @type {string | null} */
  #countedAt = null;
  /** @type {Set<InboxView>} */
  #views = new Set();
  /** @type {Map<string, Pending>} */
  #pending = new Map();
  /** @type {Map<string, Set<(event: TransientEvent) => void>>} */
  #listeners = new Map();
  /** @type {string | null} */
  #startCursor = null;

  /** @param {{api?: string, csrfToken?: () => string, loginUrl?: string}} options */
  constructor({ api = "/api/v1/", csrfToken = () => "", loginUrl = "/login/" } = {}) {
    super();
    this.api = new Api(api, csrfToken, loginUrl);
    this.tabs = new TabLink(this.api, {
      started: (cursor) => this.#started(cursor),
      changed: (change, news) => this.#changed(change, news),
      counted: (unread, cursor) => this.counted(unread, cursor),
      shown: (notification) => this.#emit("announce", notification),
      emitted: (event) => this.#emitted(event),
      linked: (link) => this.#linked(link),
    });
  }

  /** @returns {number | null} null until the hub has named it */
  get unread() {
    if (this.#unread === null) return null;
    let count = this.#unread;
    for (const { item, read, discarded } of this.#pending.values()) {
      const was = item.read_at === null;
      const is = !discarded && (read === undefined ? was : !read);
      count += Number(is) - Number(was);
    }
    return Math.max(0, count);
  }

  start() {
    this.tabs.start();
  }

  /** What could still be undone is done. */
  stop() {
    void this.#flushDiscards();
    this.tabs.stop();
  }

  /**
   * Hear transient events: progress, presence. Only while a stream is open, in every tab; whoever comes later never hears them.
   *
   * @param {string} type of event, in full
   * @param {(event: TransientEvent) => void} listener
   * @returns {() => void} ends it
   */
  on(type, listener) {
    if (RESERVED.test(type)) throw new RangeError(`${type} is not a transient event`);
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    this.tabs.listenFor(type);
    return () => void listeners.delete(listener);
  }

  /** @param {number} pageSize */
  view(pageSize = 25) {
    const view = new InboxView(this, pageSize);
    if (this.#startCursor) view.started(this.#startCursor);
    this.#views.add(view);
    return view;
  }

  /** @param {InboxView} view */
  forget(view) {
    this.#views.delete(view);
  }

  /**
   * @param {Notification} item
   * @returns {Notification | null} as the user left it; null when discarded
   */
  overlaid(item) {
    const pending = this.#pending.get(item.id);
    if (!pending) return item;
    if (pending.discarded) return null;
    if (pending.archived === false) return { ...item, archived_at: null };
    if (pending.read === undefined || pending.read === (item.read_at !== null)) return item;
    return { ...item, read_at: pending.read ? new Date().toISOString() : null };
  }

  /**
   * @param {Notification} item
   * @param {boolean} read
   */
  async setRead(item, read) {
    this.#setPending(item.id, { item: this.#base(item), read });
    const answer = await this.api.setState(item.id, { read });
    this.#settle(item.id, answer, "read_failed");
  }

  /**
   * Put an archived one back into the list.
   *
   * @param {Notification} item
   */
  async unarchive(item) {
    this.#setPending(item.id, { item: this.#base(item), archived: false });
    const answer = await this.api.setState(item.id, { archived: false });
    this.#settle(item.id, answer, "read_failed");
  }

  /**
   * Mark everything read that the user has seen; what arrives later stays unread.
   *
   * @param {string} upTo the cursor of the list that was shown
   * @param {string} [category]
   */
  async markAllRead(upTo, category) {
    const answer = await this.api.act({ action: "read", up_to: upTo, ...(category && { category }) });
    this.answered(answer);
    if (!answer.ok) this.failed("read_failed");
    else if (this.link.state !== "live") this.tabs.sync();
  }

  /**
   * Archive, or delete what is archived already; or hide it while somebody offers to undo that.
   *
   * @param {Notification} item
   */
  discard(item) {
    const discarded = item.archived_at ? "delete" : "archive";
    this.#setPending(item.id, { item: this.#base(item), discarded, undoable: true });
    if (this.#emit("discard", item)) void this.discardNow(item.id);
  }

  /** @param {string} id */
  undoDiscard(id) {
    if (this.#pending.get(id)?.undoable) this.#dropPending(id);
  }

  /** @param {string} id */
  async discardNow(id) {
    const pending = this.#pending.get(id);
    if (!pending?.undoable) return;
    pending.undoable = false;
    const isDelete = pending.discarded === "delete";
    const answer = await (isDelete ? this.api.remove(id) : this.api.setState(id, { archived: true }));
    // Gone already is what was wanted.
    this.#settle(id, answer.status === 404 ? { ...answer, ok: true } : answer, isDelete ? "delete_failed" : "read_failed");
  }

  /**
   * Do what a notification offers; done, it is read.
   *
   * @param {Notification} item
   * @param {import("./fold.js").Action} action that posts
   */
  async perform(item, action) {
    const { ok, status } = await this.api.post(action.url);
    const values = { label: action.label, status };
    if (ok) {
      this.#emit("performed", action);
      if (item.read_at === null && !this.#pending.get(item.id)?.discarded) await this.setRead(item, true);
    } else if (status === 401) this.failed("signed_out");
    else if (status === 0) this.failed("action_unanswered", values);
    else this.failed(status < 500 ? "action_refused" : "action_failed", values);
  }

  /**
   * @param {FailureKey} key of somebody who is signed out, only that is worth telling
   * @param {Record<string, string | number>} [values] for the places in its words
   */
  failed(key, values) {
    this.#emit("failed", this.link.state === "signed-out" ? { key: "signed_out" } : { key, values });
  }

  /** @param {import("./api.js").Answer} answer of any request: it may tell that the session has ended */
  answered(answer) {
    if (answer.status === 401) this.tabs.signedOut();
  }

  /**
   * @param {number} unread
   * @param {string} cursor what the count is as of; an older one does not replace a newer one
   */
  counted(unread, cursor) {
    const order = compareCursors(cursor, this.#countedAt);
    if (order !== null && order < 0) return;
    this.#countedAt = cursor;
    this.#unread = unread;
    this.#emit("update");
  }

  /** @param {string} cursor */
  #started(cursor) {
    this.#startCursor = cursor;
    this.#countedAt = null;
    for (const view of this.#views) view.started(cursor);
  }

  /**
   * @param {import("./fold.js").Change} change
   * @param {boolean} news
   */
  #changed(change, news) {
    this.#confirm(change);
    for (const view of this.#views) view.changed(change);
    this.counted(change.unread_count, change.cursor);
    const isNews = news && change.change === "notification.created";
    if (isNews && this.#emit("arrived", change.notification)) this.#emit("announce", change.notification);
  }

  /** @param {TransientEvent} event */
  #emitted(event) {
    for (const listener of this.#listeners.get(event.type) ?? []) {
      try {
        listener(event);
      } catch (error) {
        reportError(error);
      }
    }
  }

  /** @param {import("./connection.js").Link} link */
  #linked(link) {
    this.link = link;
    this.#emit("update");
  }

  /** @param {import("./fold.js").Change} change */
  #confirm(change) {
    for (const [id, pending] of this.#pending) {
      const item = change.notification?.id === id ? change.notification : null;
      if (change.change === "inbox.read" && pending.read) this.#pending.delete(id);
      else if (item && (change.change === "notification.deleted" || isSo(pending, item))) this.#pending.delete(id);
      else if (item) pending.item = item;
    }
  }

  /**
   * @param {string} id
   * @param {Pending} pending
   */
  #setPending(id, pending) {
    this.#pending.set(id, pending);
    this.#refresh();
  }

  /** @param {string} id */
  #dropPending(id) {
    this.#pending.delete(id);
    this.#refresh();
  }

  /**
   * @param {string} id
   * @param {import("./api.js").Answer} answer
   * @param {FailureKey} failure
   */
  #settle(id, answer, failure) {
    this.answered(answer);
    const pending = this.#pending.get(id);
    if (!answer.ok) {
      this.#dropPending(id);
      this.failed(failure);
    } else if (pending) {
      // Doing something again changes nothing, so no change may come to confirm it.
      setTimeout(() => this.#pending.get(id) === pending && this.#dropPending(id), CONFIRM_MS);
      if (this.link.state !== "live") this.tabs.sync();
    }
  }

  /**
   * @param {Notification} item as shown, so perhaps overlaid
   * @returns {Notification} as the hub knows it
   */
  #base(item) {
    return this.#pending.get(item.id)?.item ?? item;
  }

  async #flushDiscards() {
    const undoable = [...this.#pending].filter(([, pending]) => pending.undoable);
    for (const [, pending] of undoable) pending.undoable = false;
    const flush = async (/** @type {"archive" | "delete"} */ action) => {
      const ids = undoable.filter(([, pending]) => pending.discarded === action).map(([id]) => id);
      if (ids.length === 0) return;
      const answer = await this.api.act({ action, ids });
      // Whoever comes back to the page must not miss there what the hub still has.
      for (const id of ids) this.#settle(id, answer, action === "delete" ? "delete_failed" : "read_failed");
    };
    await Promise.all([flush("archive"), flush("delete")]);
  }

  #refresh() {
    for (const view of this.#views) view.refresh();
    this.#emit("update");
  }

  /**
   * @param {string} type
   * @param {unknown} [detail]
   * @returns {boolean} whether nobody prevented the default
   */
  #emit(type, detail) {
    return this.dispatchEvent(new CustomEvent(type, { detail, cancelable: true }));
  }
}

/**
 * @param {Pending} pending
 * @param {Notification} item as the hub has it now
 * @returns {boolean} whether that is what the user wanted
 */
function isSo({ read, archived, discarded, undoable }, item) {
  if (undoable || discarded === "delete") return false;
  if (discarded) return Boolean(item.archived_at);
  return (archived === undefined || archived === Boolean(item.archived_at)) && (read === undefined || read === (item.read_at !== null));
}
