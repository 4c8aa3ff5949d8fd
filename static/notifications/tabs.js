// @ts-check
/**
 * One link to the hub for all tabs of a user in this browser.
 *
 * A browser opens six connections to a host over HTTP/1.1, so a stream in every tab would soon block
 * all other requests. The tab that holds a Web Lock owns the connection and relays what comes over
 * a BroadcastChannel; when it goes, the browser gives the lock to the next tab, which goes on from
 * its own cursor. A visible tab that hears nothing from the owner takes the lock from it.
 * Without Web Locks or BroadcastChannel each tab has a connection of its own while it is visible.
 */
import { Connection } from "./connection.js";
import { DEFAULT_HEARTBEAT_SECONDS, compareCursors, isNewer, silenceLimitMs } from "./policy.js";

/** How long a hidden tab without a shared link keeps its own. */
const HIDDEN_LIMIT_MS = 60_000;

/**
 * @param {import("./api.js").Api} api
 * @param {string} user whose inbox it is; tabs of different users share nothing
 * @param {import("./connection.js").Sink} sink
 * @returns {OwnLink | SharedLink}
 */
export function openLink(api, user, sink) {
  const canShare = "locks" in navigator && "BroadcastChannel" in globalThis;
  return canShare ? new SharedLink(api, user, sink) : new OwnLink(api, sink);
}

/** A connection for this tab alone, paused while the tab has been hidden for long. */
class OwnLink {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #hiddenTimer;

  /**
   * @param {import("./api.js").Api} api
   * @param {import("./connection.js").Sink} sink
   */
  constructor(api, sink) {
    this.connection = new Connection(api, tabName(), sink);
  }

  start() {
    this.connection.start(this.connection.cursor);
  }

  stop() {
    clearTimeout(this.#hiddenTimer);
    this.connection.stop();
  }

  /** @param {boolean} isVisible */
  visibilityChanged(isVisible) {
    clearTimeout(this.#hiddenTimer);
    if (isVisible && this.connection.isStopped) this.start();
    else if (isVisible) this.connection.nudge();
    else this.#hiddenTimer = setTimeout(() => this.connection.stop(), HIDDEN_LIMIT_MS);
  }

  nudge() {
    this.connection.nudge();
  }

  sync() {
    void this.connection.sync();
  }

  /** @param {string} type */
  listenFor(type) {
    this.connection.listenFor(type);
  }

  signedOut() {
    this.connection.signedOut();
  }
}

/**
 * @typedef {{kind: "started", cursor: string} | {kind: "counted", unread: number, cursor: string}
 *   | {kind: "changed", change: import("./fold.js").Change, news: boolean}
 *   | {kind: "shown", notification: import("./fold.js").Notification}
 *   | {kind: "emitted", event: import("./connection.js").TransientEvent} | {kind: "listen", types: string[]}
 *   | {kind: "linked", link: import("./connection.js").Link, cursor: string | null, unread: number | null}
 *   | {kind: "alive"} | {kind: "hello"} | {kind: "nudge"} | {kind: "sync"} | {kind: "signed-out"}} TabMessage
 */
class SharedLink {
  /** @type {Connection | null} set while this tab owns the connection */
  #connection = null;
  /** @type {string | null} */
  #cursor = null;
  /** @type {number | null} */
  #unread = null;
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {Set<string>} what this tab, or as the owner any tab, wants of transient events */
  #types = new Set();
  #waiting = new AbortController();
  #isStopped = true;
  #release = () => {};
  #isVisible = true;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silenceTimer;

  /**
   * @param {import("./api.js").Api} api
   * @param {string} user
   * @param {import("./connection.js").Sink} sink
   */
  constructor(api, user, sink) {
    this.api = api;
    this.sink = sink;
    this.name = `notification-hub:${api.base}:${user}`;
  }

  start() {
    this.#isStopped = false;
    this.#channel = new BroadcastChannel(this.name);
    this.#channel.onmessage = (event) => this.#heard(event.data);
    this.#post({ kind: "hello" });
    this.#askForTypes();
    this.#expectOwner();
    this.#queueForLock();
  }

  stop() {
    this.#isStopped = true;
    clearTimeout(this.#silenceTimer);
    this.#waiting.abort();
    this.#release();
    this.#channel?.close();
    this.#channel = null;
  }

  /** @param {boolean} isVisible */
  visibilityChanged(isVisible) {
    this.#isVisible = isVisible;
    if (isVisible) this.nudge();
    this.#expectOwner();
  }

  nudge() {
    this.#connection?.nudge();
    if (!this.#connection) this.#post({ kind: "nudge" });
  }

  sync() {
    void this.#connection?.sync();
    if (!this.#connection) this.#post({ kind: "sync" });
  }

  /** @param {string} type */
  listenFor(type) {
    this.#types.add(type);
    this.#connection?.listenFor(type);
    if (!this.#connection) this.#askForTypes();
  }

  /** The owner has to listen for them; a new one does not know of them yet. */
  #askForTypes() {
    if (this.#types.size > 0) this.#post({ kind: "listen", types: [...this.#types] });
  }

  signedOut() {
    this.#connection?.signedOut();
    if (!this.#connection) this.#post({ kind: "signed-out" });
  }

  #queueForLock() {
    const waiting = new AbortController();
    this.#waiting = waiting;
    const wanted = navigator.locks.request(this.name, { signal: waiting.signal }, () => this.#own());
    wanted.catch(() => {
      if (!waiting.signal.aborted) this.#lostLock();
    });
  }

  #stealLock() {
    this.#waiting.abort();
    const wanted = navigator.locks.request(this.name, { steal: true }, () => this.#own());
    wanted.catch(() => this.#lostLock());
  }

  /** Own the connection until the tab goes or another one takes the lock. */
  #own() {
    if (this.#isStopped) return undefined;
    clearTimeout(this.#silenceTimer);
    // Throttled in a hidden tab: then a visible one takes over, which is as well.
    const beat = setInterval(() => this.#post({ kind: "alive" }), 1000 * DEFAULT_HEARTBEAT_SECONDS);
    this.#connection = new Connection(this.api, tabName(), this.#relay());
    for (const type of this.#types) this.#connection.listenFor(type);
    this.#connection.start(this.#cursor);
    this.#announce();
    return new Promise((resolve) => {
      this.#release = () => {
        clearInterval(beat);
        this.#connection?.stop();
        this.#connection = null;
        resolve(undefined);
      };
    });
  }

  #lostLock() {
    this.#release();
    if (this.#isStopped) return;
    this.#expectOwner();
    this.#queueForLock();
  }

  /** @returns {import("./connection.js").Sink} */
  #relay() {
    return {
      started: (cursor) => this.#tell({ kind: "started", cursor }),
      changed: (change, news) => this.#tell({ kind: "changed", change, news }),
      counted: (unread, cursor) => this.#tell({ kind: "counted", unread, cursor }),
      shown: (notification) => this.#tell({ kind: "shown", notification }),
      emitted: (event) => this.#tell({ kind: "emitted", event }),
      linked: (link) => {
        this.sink.linked(link);
        this.#announce();
      },
    };
  }

  /** @param {TabMessage} message for this tab and all others */
  #tell(message) {
    this.#take(message);
    this.#post(message);
  }

  #announce() {
    const connection = this.#connection;
    if (!connection) return;
    this.#post({ kind: "linked", link: connection.link, cursor: this.#cursor, unread: this.#unread });
  }

  /** @param {TabMessage} message */
  #post(message) {
    this.#channel?.postMessage(message);
  }

  /** @param {TabMessage} message from another tab */
  #heard(message) {
    if (this.#connection) this.#asked(message, this.#connection);
    else this.#follow(message);
  }

  /**
   * @param {TabMessage} message
   * @param {Connection} connection
   */
  #asked(message, connection) {
    if (message.kind === "hello") this.#announce();
    else if (message.kind === "nudge") connection.nudge();
    else if (message.kind === "sync") void connection.sync();
    else if (message.kind === "signed-out") connection.signedOut();
    else if (message.kind === "listen") message.types.forEach((type) => this.listenFor(type));
  }

  /** @param {TabMessage} message */
  #follow(message) {
    if (["hello", "nudge", "sync", "signed-out", "listen"].includes(message.kind)) return;
    this.#expectOwner();
    if (message.kind === "linked") {
      this.#joinAt(message.cursor, message.unread);
      this.#askForTypes();
      this.sink.linked(message.link);
    } else {
      this.#take(message);
    }
  }

  /**
   * Whatever the owner knew when it announced itself, it will not say again.
   *
   * @param {string | null} cursor
   * @param {number | null} unread
   */
  #joinAt(cursor, unread) {
    if (cursor === null) return;
    const order = compareCursors(cursor, this.#cursor);
    if (order === null || order > 0) this.#take({ kind: "started", cursor });
    if (unread !== null) this.#take({ kind: "counted", unread, cursor });
  }

  /** @param {TabMessage} message */
  #take(message) {
    if (message.kind === "started") {
      this.#cursor = message.cursor;
      this.sink.started(message.cursor);
    } else if (message.kind === "changed" && isNewer(message.change.cursor, this.#cursor)) {
      this.#cursor = message.change.cursor;
      this.#unread = message.change.unread_count;
      this.sink.changed(message.change, message.news);
    } else if (message.kind === "counted") {
      this.#unread = message.unread;
      this.sink.counted(message.unread, message.cursor);
    } else if (message.kind === "shown") {
      this.sink.shown(message.notification);
    } else if (message.kind === "emitted") {
      this.sink.emitted(message.event);
    }
  }

  #expectOwner() {
    clearTimeout(this.#silenceTimer);
    if (this.#connection || !this.#isVisible || this.#isStopped) return;
    this.#silenceTimer = setTimeout(() => this.#stealLock(), silenceLimitMs(DEFAULT_HEARTBEAT_SECONDS));
  }
}

/** @returns {string} a random name; `crypto.randomUUID` is missing on plain http */
function tabName() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
