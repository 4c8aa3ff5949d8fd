// @ts-check
/**
 * One tab's own link to the hub: the stream, and polling whenever the stream cannot be had.
 *
 * It keeps the cursor, drops what it has passed on before, and tells a sink:
 * - `started(cursor)`: from here on nothing is missing; whoever knows less fetches its list again;
 * - `changed(change, news)`: the next change; not news when it only catches up;
 * - `counted(unread, cursor)`, `shown(notification)`, `linked(link)`;
 * - `emitted(event)`: a transient event of a type that was asked for; only a stream brings them.
 */
import {
  DEFAULT_HEARTBEAT_SECONDS, DEFAULT_POLL_SECONDS, OPEN_TIMEOUT_MS, afterClose, afterPoll, backoffMs, hasSettled, isNewer,
  isLeftToTheBrowser, pollSeconds, silenceLimitMs,
} from "./policy.js";
import { isChange, isClosing, isObject, isOpening, isReset, isShowing } from "./shapes.js";

/**
 * @typedef {"connecting" | "live" | "polling" | "reconnecting" | "signed-out"} LinkState
 * @typedef {{state: LinkState, pollSeconds: number}} Link
 *
 * @typedef {object} Sink
 * @property {(cursor: string) => void} started
 * @property {(change: import("./fold.js").Change, news: boolean) => void} changed
 * @property {(unread: number, cursor: string) => void} counted
 * @property {(notification: import("./fold.js").Notification) => void} shown
 * @property {(event: TransientEvent) => void} emitted
 * @property {(link: Link) => void} linked
 *
 * @typedef {{id: string, type: string, topic: string, at: string, data: Record<string, any>}} TransientEvent
 */

const FIRST_STREAM_PAUSE_MS = 5_000;
const CHANGES = [
  "notification.created",
  "notification.read",
  "notification.unread",
  "notification.archived",
  "notification.unarchived",
  "notification.deleted",
  "inbox.read",
];

export class Connection {
  /** @type {string | null} */
  cursor = null;
  /** @type {Link} */
  link = { state: "connecting", pollSeconds: DEFAULT_POLL_SECONDS };
  #stopped = true;
  /** @type {EventSource | null} */
  #source = null;
  #isLive = false;
  /** The hub has said not to come back: another stream has replaced this one, or it was ended on purpose. */
  #isEnded = false;
  /** @type {Set<string>} of transient events: an EventSource passes on only what it has a listener for */
  #types = new Set();
  #heartbeatSeconds = DEFAULT_HEARTBEAT_SECONDS;
  /** @type {number | null} when the stream went live, until its end has been counted */
  #liveSinceMs = null;
  /** Streams in a row that were cut off before they had settled; the browser knows nothing of them. */
  #shortStreams = 0;
  #streamFailures = 0;
  #isPolling = false;
  #pollFailures = 0;
  #isCaughtUp = false;
  /** @type {Promise<void> | null} */
  #poll = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silenceTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #streamTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pollTimer;

  /**
   * @param {import("./api.js").Api} api
   * @param {string} client a name for this tab
   * @param {Sink} sink
   */
  constructor(api, client, sink) {
    this.api = api;
    this.client = client;
    this.sink = sink;
  }

  /** @param {string | null} cursor where to go on; null starts at the inbox's head */
  start(cursor) {
    this.cursor = cursor;
    this.#stopped = false;
    this.#isEnded = false;
    this.#openStream();
  }

  stop() {
    this.#stopped = true;
    this.#closeStream();
    this.#stopPolling();
    clearTimeout(this.#streamTimer);
  }

  get isStopped() {
    return this.#stopped;
  }

  /** The tab came back to the front, or the network did: try the stream now rather than later. */
  nudge() {
    if (this.#stopped || this.link.state === "live" || this.link.state === "signed-out") return;
    if (!this.#isEnded && this.#source?.readyState !== EventSource.OPEN) this.#openStream();
    if (this.#isPolling) void this.#pollOnce();
  }

  /** Ask for changes once, now; what the stream brings as well is dropped. */
  async sync() {
    await this.#poll;
    await this.#pollOnce();
  }

  /** @param {string} type of transient events that are to be passed on from now on */
  listenFor(type) {
    if (this.#types.has(type)) return;
    this.#types.add(type);
    if (this.#source) this.#listen(this.#source, type);
  }

  /** Somebody is logged in, and a page was rendered for them: what the hub ended for good may be had again. */
  renew() {
    this.#isEnded = false;
    this.nudge();
  }

  #openStream() {
    this.#closeStream();
    clearTimeout(this.#streamTimer);
    const source = new EventSource(this.api.streamUrl(this.cursor, this.client));
    this.#source = source;
    this.#watch(OPEN_TIMEOUT_MS);
    /** @type {[string, (data: any) => boolean, (data: any) => void][]} */
    const handlers = [
      ["stream.open", isOpening, (data) => this.#opened(data)],
      ["stream.reset", isReset, (data) => this.#restart(data.cursor)],
      ["stream.live", isObject, () => this.#wentLive()],
      ["stream.heartbeat", isObject, () => undefined],
      ["stream.close", isClosing, (data) => this.#closed(data)],
      ["notification.shown", isShowing, (data) => this.sink.shown(data.notification)],
    ];
    for (const name of CHANGES) handlers.push([name, isChange, (data) => this.#passOn(data, this.#isLive)]);
    for (const [name, fits, handle] of handlers) {
      source.addEventListener(name, (event) => this.#receive(source, event, fits, handle));
    }
    for (const type of this.#types) this.#listen(source, type);
    source.onerror = () => this.#interrupted(source);
  }

  /**
   * @param {EventSource} source
   * @param {string} type
   */
  #listen(source, type) {
    source.addEventListener(type, (event) => this.#receive(source, event, isObject, (data) => this.sink.emitted(data)));
  }

  /**
   * @param {EventSource} source
   * @param {MessageEvent} event
   * @param {(data: any) => boolean} fits
   * @param {(data: any) => void} handle
   */
  #receive(source, event, fits, handle) {
    // A frame of a stream that was given up may still be in the event queue.
    if (this.#source !== source) return;
    const data = parsed(event.data);
    // Whatever this is, it is not the hub's stream; polling is told apart by its own answers.
    if (!fits(data)) return this.#streamLost(null);
    this.#watch(silenceLimitMs(this.#heartbeatSeconds));
    handle(data);
  }

  /** @param {{inbox: string, cursor: string, head: string, unread_count: number, heartbeat: number, resume: string}} data */
  #opened(data) {
    if (!this.api.isOurs(data.inbox)) return this.#signedOut();
    this.#heartbeatSeconds = data.heartbeat || DEFAULT_HEARTBEAT_SECONDS;
    this.#watch(silenceLimitMs(this.#heartbeatSeconds));
    this.#stopPolling();
    if (data.resume === "none") this.#restart(data.cursor);
    this.sink.counted(data.unread_count, data.head);
  }

  #wentLive() {
    this.#isLive = true;
    this.#liveSinceMs = performance.now();
    this.#setState("live");
  }

  /** @param {{reason: string, reconnect: boolean, retry_ms: number}} data */
  #closed(data) {
    this.#isLive = false;
    const decision = afterClose(data);
    if (decision.next === "resume") return this.#watch(decision.withinMs);
    this.#isEnded = decision.streamAfterMs === null;
    this.#streamLost(decision.streamAfterMs);
  }

  /** @param {EventSource} source */
  #interrupted(source) {
    if (this.#source !== source) return;
    this.#isLive = false;
    this.#judge();
    this.#shortStreams += 1;
    const isBrowsers = source.readyState !== EventSource.CLOSED && isLeftToTheBrowser(this.#shortStreams);
    if (!isBrowsers) this.#streamLost(null);
    else if (!this.#isPolling) this.#setState("reconnecting");
  }

  /** A stream that was live for a while has shown that streams work: what failed before it counts no more. */
  #judge() {
    const liveSinceMs = this.#liveSinceMs;
    this.#liveSinceMs = null;
    if (liveSinceMs === null || !hasSettled(performance.now() - liveSinceMs)) return;
    this.#shortStreams = 0;
    this.#streamFailures = 0;
  }

  /** @param {number} ms of silence that the stream is allowed from now on */
  #watch(ms) {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.#streamLost(null), ms);
  }

  /** @param {number | null} pauseMs until the stream is tried again; null leaves it to the backoff */
  #streamLost(pauseMs) {
    this.#judge();
    this.#closeStream();
    this.#streamFailures += 1;
    const backoff = backoffMs(this.#streamFailures, FIRST_STREAM_PAUSE_MS, Math.random());
    clearTimeout(this.#streamTimer);
    if (!this.#isEnded) this.#streamTimer = setTimeout(() => this.#openStream(), Math.max(pauseMs ?? 0, backoff));
    if (this.#isPolling) return;
    this.#isPolling = true;
    this.#isCaughtUp = false;
    this.#setState("reconnecting");
    void this.#pollOnce();
  }

  #closeStream() {
    clearTimeout(this.#silenceTimer);
    this.#isLive = false;
    this.#source?.close();
    this.#source = null;
  }

  #stopPolling() {
    this.#isPolling = false;
    this.#pollFailures = 0;
    clearTimeout(this.#pollTimer);
  }

  /** @returns {Promise<void>} */
  #pollOnce() {
    this.#poll ??= this.#fetchChanges().finally(() => {
      this.#poll = null;
    });
    return this.#poll;
  }

  async #fetchChanges() {
    clearTimeout(this.#pollTimer);
    for (let hasMore = true; hasMore && !this.#stopped; ) {
      const asked = this.cursor;
      const answer = await this.api.changes(asked);
      if (this.#stopped) return;
      const decision = afterPoll(answer, this.#pollFailures + 1, Math.random());
      if (decision.next === "signed-out") return this.#signedOut();
      if (decision.next === "wait") return this.#pollFailed(decision.afterMs);
      if (decision.next === "reset") return this.#pollReset(decision.cursor);
      this.#pollFailures = 0;
      this.#takeDelta(answer.body, asked);
      // More of the same would be asked for without an end.
      hasMore = answer.body.has_more && this.cursor !== asked;
      this.link.pollSeconds = pollSeconds(answer.pollInterval);
    }
    this.#isCaughtUp = true;
    if (this.#isPolling) {
      this.#setState("polling");
      this.#pollAfter(this.link.pollSeconds * 1000 * (0.9 + Math.random() / 5));
    }
  }

  /**
   * @param {{changes: import("./fold.js").Change[], cursor: string, has_more: boolean, unread_count: number}} delta
   * @param {string | null} asked
   */
  #takeDelta(delta, asked) {
    if (asked === null) this.#restart(delta.cursor);
    for (const change of delta.changes) this.#passOn(change, this.#isLive || this.#isCaughtUp);
    if (!delta.has_more) this.sink.counted(delta.unread_count, delta.cursor);
  }

  /** @param {string | null} head */
  #pollReset(head) {
    if (head) this.#restart(head);
    else this.cursor = null;
    this.#pollAfter(1000);
  }

  /** @param {number} pauseMs */
  #pollFailed(pauseMs) {
    this.#pollFailures += 1;
    this.#isCaughtUp = false;
    if (!this.#isPolling) return;
    this.#setState("reconnecting");
    this.#pollAfter(pauseMs);
  }

  /** @param {number} ms */
  #pollAfter(ms) {
    clearTimeout(this.#pollTimer);
    if (this.#isPolling) this.#pollTimer = setTimeout(() => void this.#pollOnce(), ms);
  }

  /** @param {string} cursor */
  #restart(cursor) {
    this.cursor = cursor;
    this.sink.started(cursor);
  }

  /**
   * @param {import("./fold.js").Change} change
   * @param {boolean} news
   */
  #passOn(change, news) {
    if (!isNewer(change.cursor, this.cursor)) return;
    this.cursor = change.cursor;
    this.sink.changed(change, news);
  }

  #signedOut() {
    this.stop();
    this.#setState("signed-out");
  }

  /** @param {LinkState} state */
  #setState(state) {
    this.link = { ...this.link, state };
    this.sink.linked(this.link);
  }
}

/**
 * @param {string} text
 * @returns {unknown} undefined when it is no JSON
 */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
