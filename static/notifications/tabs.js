// @ts-check
/**
 * One link to the hub for all tabs of a browser that show the same inbox.
 *
 * A browser opens six connections to a host over HTTP/1.1, so a stream in every tab would soon block all other requests.
 * One tab leads (`election.js`): it owns the connection and relays what comes over a BroadcastChannel. When it goes, the
 * next one goes on from its own cursor. A visible tab that hears nothing from the leader takes its place.
 *
 * Whose inbox a page shows, and whether anybody is logged in at all, the hub alone says, and each tab asks for itself: when it
 * starts, when something suggests that a login has begun or ended, and, while it is signed out, when it is looked at. A tab
 * that is told 401, or of another inbox than its own, takes no part any more: it gives up the connection and hears nobody.
 */
import { Connection } from "./connection.js";
import { openChannel, openElection, randomName } from "./election.js";
import { DEFAULT_HEARTBEAT_SECONDS, DEFAULT_POLL_SECONDS, afterPoll, compareCursors, isNewer, silenceLimitMs } from "./policy.js";

/** Pages tell each other here whose inbox the hub has just named to them, and the login page that it is shown. */
const LOGINS = "notification-hub:logins";

/**
 * @typedef {{kind: "started", cursor: string} | {kind: "counted", unread: number, cursor: string}
 *   | {kind: "changed", change: import("./fold.js").Change, news: boolean}
 *   | {kind: "shown", notification: import("./fold.js").Notification}
 *   | {kind: "emitted", event: import("./connection.js").TransientEvent} | {kind: "listen", types: string[]}
 *   | {kind: "linked", link: import("./connection.js").Link, cursor: string | null, unread: number | null}
 *   | {kind: "alive"} | {kind: "hello"} | {kind: "nudge"} | {kind: "sync"} | {kind: "ask"}} TabMessage
 */
export class TabLink {
  /** @type {Connection | null} set while this tab leads */
  #connection = null;
  /** @type {string | null} */
  #cursor = null;
  /** @type {number | null} */
  #unread = null;
  /** @type {BroadcastChannel | null} */
  #logins = null;
  /** @type {BroadcastChannel | null} to the tabs of the same inbox */
  #channel = null;
  /** @type {ReturnType<typeof openElection> | null} set while this tab takes part */
  #election = null;
  /** @type {Set<string>} what this tab, or as the leader any tab, wants of transient events */
  #types = new Set();
  #isStopped = true;
  #isVisible = true;
  /** @type {object | null} the question that counts; of several at once the last */
  #asking = null;
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #askTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silenceTimer;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #beat;

  /**
   * @param {import("./api.js").Api} api
   * @param {import("./connection.js").Sink} sink
   */
  constructor(api, sink) {
    this.api = api;
    this.sink = sink;
  }

  start() {
    this.#isStopped = false;
    this.#logins = openChannel(LOGINS, (inbox) => this.#heardOfLogin(inbox));
    void this.#ask();
  }

  stop() {
    this.#isStopped = true;
    this.#asking = null;
    clearTimeout(this.#askTimer);
    this.#leave();
    this.#logins?.close();
    this.#logins = null;
  }

  /** @param {boolean} isVisible */
  visibilityChanged(isVisible) {
    this.#isVisible = isVisible;
    this.#election?.visibilityChanged(isVisible);
    if (isVisible) this.nudge();
    this.#expectLeader();
  }

  /** The tab came back to the front, or the network did. */
  nudge() {
    if (!this.#election) void this.#ask();
    else if (this.#connection) this.#connection.nudge();
    else this.#post({ kind: "nudge" });
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

  /** The leader has to listen for them; a new one does not know of them yet. */
  #askForTypes() {
    if (this.#types.size > 0) this.#post({ kind: "listen", types: [...this.#types] });
  }

  /** The hub has said 401 to this tab. The others ask for themselves. */
  signedOut() {
    this.#post({ kind: "ask" });
    this.#signOut();
  }

  #signOut() {
    this.#leave();
    this.sink.linked({ state: "signed-out", pollSeconds: DEFAULT_POLL_SECONDS });
  }

  /** Ask the hub whether somebody is logged in, and whose inbox this page is about. */
  async #ask() {
    if (this.#isStopped) return;
    clearTimeout(this.#askTimer);
    const asking = (this.#asking = {});
    const answer = await this.api.counts();
    if (asking !== this.#asking) return;
    const decision = afterPoll(answer, this.#failures + 1, Math.random());
    if (decision.next === "signed-out") return this.#signOut();
    if (decision.next === "apply" && this.api.inbox !== null) return this.#known(answer.body);
    this.#failures += 1;
    if (!this.#election) this.sink.linked({ state: "reconnecting", pollSeconds: DEFAULT_POLL_SECONDS });
    this.#askTimer = setTimeout(() => void this.#ask(), decision.next === "wait" ? decision.afterMs : 1000 * DEFAULT_POLL_SECONDS);
  }

  /** @param {{unread: number, cursor: string}} counts */
  #known(counts) {
    this.#failures = 0;
    if (!this.#election) this.#join(counts);
  }

  /**
   * Take part in what the tabs of this inbox share.
   *
   * @param {{unread: number, cursor: string}} counts
   */
  #join({ unread, cursor }) {
    const name = `notification-hub:${this.api.base}:${this.api.inbox}`;
    this.#channel = openChannel(name, (message) => this.#heard(message));
    this.#election = openElection(name, { lead: () => this.#lead(), resign: () => this.#resign() });
    this.#take({ kind: "started", cursor });
    this.#take({ kind: "counted", unread, cursor });
    this.#post({ kind: "hello" });
    this.#askForTypes();
    this.#expectLeader();
    this.#election.start();
    this.#logins?.postMessage(this.api.inbox);
  }

  #leave() {
    clearTimeout(this.#silenceTimer);
    const election = this.#election;
    this.#election = null;
    election?.stop();
    this.#channel?.close();
    this.#channel = null;
  }

  /** @param {string} inbox that a page was told of, or nothing from a page for those who are not logged in */
  #heardOfLogin(inbox) {
    if (!this.#election || inbox !== this.api.inbox) void this.#ask();
    else this.#connection?.renew();
  }

  #lead() {
    clearTimeout(this.#silenceTimer);
    // Throttled in a hidden tab: then a visible one takes over, which is as well.
    this.#beat = setInterval(() => this.#post({ kind: "alive" }), 1000 * DEFAULT_HEARTBEAT_SECONDS);
    this.#connection = new Connection(this.api, randomName(), this.#relay());
    for (const type of this.#types) this.#connection.listenFor(type);
    this.#connection.start(this.#cursor);
    this.#announce();
  }

  #resign() {
    clearInterval(this.#beat);
    this.#connection?.stop();
    this.#connection = null;
    this.#expectLeader();
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
        if (link.state === "signed-out") return this.signedOut();
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
    if (message.kind === "ask") void this.#ask();
    else if (this.#connection) this.#asked(message, this.#connection);
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
    else if (message.kind === "listen") message.types.forEach((type) => this.listenFor(type));
  }

  /** @param {TabMessage} message */
  #follow(message) {
    if (["hello", "nudge", "sync", "listen"].includes(message.kind)) return;
    this.#expectLeader();
    if (message.kind === "linked") {
      this.#joinAt(message.cursor, message.unread);
      this.#askForTypes();
      this.sink.linked(message.link);
    } else {
      this.#take(message);
    }
  }

  /**
   * Whatever the leader knew when it announced itself, it will not say again.
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

  #expectLeader() {
    clearTimeout(this.#silenceTimer);
    if (!this.#election || this.#connection || !this.#isVisible || this.#isStopped) return;
    this.#silenceTimer = setTimeout(() => {
      this.#election?.challenge();
      this.#expectLeader();
    }, silenceLimitMs(DEFAULT_HEARTBEAT_SECONDS));
  }
}
