// @ts-check
/**
 * Which tab of several leads: it alone holds the stream, and tells the others what comes.
 *
 * Where the browser has Web Locks, the tab that holds the lock leads, and the browser passes it on when that tab goes.
 * On plain http there are none: then the tabs ask each other over a BroadcastChannel. Without either a tab leads while it
 * is looked at, so that tabs in the background never take the connections that a browser has for one host.
 *
 * An election calls `lead` when this tab is to lead and `resign` when it is not to any more; `stop` resigns for good.
 *
 * @typedef {{lead: () => void, resign: () => void}} Candidate
 */

/** How long a candidate waits for the tab that leads to say so; a tab that is busy and answers late is heard all the same. */
const ANSWER_MS = 400;

/**
 * @param {string} name tabs of the same name have one leader
 * @param {Candidate} candidate
 * @returns {Election}
 */
export function openElection(name, candidate) {
  if (!("BroadcastChannel" in globalThis)) return new Watched(candidate);
  return "locks" in navigator ? new Lock(name, candidate) : new Ballot(name, candidate);
}

/**
 * @param {string} name
 * @param {(message: any) => void} heard called with what other tabs post
 * @returns {BroadcastChannel | null} null where the browser has none
 */
export function openChannel(name, heard) {
  if (!("BroadcastChannel" in globalThis)) return null;
  const channel = new BroadcastChannel(name);
  channel.onmessage = (event) => heard(event.data);
  return channel;
}

class Election {
  #isLeading = false;

  /** @param {Candidate} candidate */
  constructor(candidate) {
    this.candidate = candidate;
  }

  get isLeading() {
    return this.#isLeading;
  }

  set isLeading(isLeading) {
    if (isLeading === this.#isLeading) return;
    this.#isLeading = isLeading;
    if (isLeading) this.candidate.lead();
    else this.candidate.resign();
  }

  start() {}

  stop() {
    this.isLeading = false;
  }

  /** Nothing has been heard of the leader for long: take over. */
  challenge() {}

  /** @param {boolean} isVisible */
  visibilityChanged(isVisible) {
    void isVisible;
  }
}

/** The holder of a Web Lock leads. */
class Lock extends Election {
  #waiting = new AbortController();
  #release = () => {};

  /**
   * @param {string} name
   * @param {Candidate} candidate
   */
  constructor(name, candidate) {
    super(candidate);
    this.name = name;
  }

  start() {
    this.#request({ signal: this.#waiting.signal });
  }

  stop() {
    this.#waiting.abort();
    super.stop();
    this.#release();
  }

  challenge() {
    this.#waiting.abort();
    this.#waiting = new AbortController();
    this.#request({ steal: true });
  }

  /** @param {LockOptions} options */
  #request(options) {
    const { signal } = this.#waiting;
    navigator.locks.request(this.name, options, () => this.#hold(signal)).catch(() => {
      // Stolen; or locks are not to be had, and then whoever hears of no leader asks again.
      if (!signal.aborted && this.isLeading) this.#lost();
    });
  }

  /** @param {AbortSignal} signal aborted when the lock is not wanted any more */
  #hold(signal) {
    if (signal.aborted) return undefined;
    this.isLeading = true;
    return new Promise((resolve) => {
      this.#release = () => resolve(undefined);
    });
  }

  #lost() {
    this.isLeading = false;
    this.#release();
    this.start();
  }
}

/**
 * Who is not answered within a moment leads, and says so; of two that lead, the one with the lesser name does.
 *
 * @typedef {{kind: "who"} | {kind: "me", name: string} | {kind: "gone"}} Vote
 */
class Ballot extends Election {
  #name = randomName();
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} name
   * @param {Candidate} candidate
   */
  constructor(name, candidate) {
    super(candidate);
    this.name = name;
  }

  start() {
    this.#channel = openChannel(`${this.name}:election`, (vote) => this.#heard(vote));
    this.challenge();
  }

  stop() {
    clearTimeout(this.#timer);
    if (this.isLeading) this.#post({ kind: "gone" });
    super.stop();
    this.#channel?.close();
    this.#channel = null;
  }

  challenge() {
    clearTimeout(this.#timer);
    this.#post({ kind: "who" });
    // Spread, so that of tabs that were opened together one is the first.
    this.#timer = setTimeout(() => this.#win(), ANSWER_MS * (1 + Math.random()));
  }

  #win() {
    this.isLeading = true;
    this.#sayWho();
  }

  #sayWho() {
    this.#post({ kind: "me", name: this.#name });
  }

  /** @param {Vote} vote */
  #heard(vote) {
    if (vote.kind === "who") {
      if (this.isLeading) this.#sayWho();
    } else if (vote.kind === "gone") {
      if (!this.isLeading) this.challenge();
    } else if (this.isLeading && this.#name < vote.name) {
      this.#sayWho();
    } else {
      clearTimeout(this.#timer);
      this.isLeading = false;
    }
  }

  /** @param {Vote} vote */
  #post(vote) {
    this.#channel?.postMessage(vote);
  }
}

/** A tab that cannot hear of others leads while somebody looks at it. */
class Watched extends Election {
  start() {
    this.isLeading = !document.hidden;
  }

  /** @param {boolean} isVisible */
  visibilityChanged(isVisible) {
    this.isLeading = isVisible;
  }
}

/** @returns {string} a random UUID; `crypto.randomUUID` is missing on plain http */
export function randomName() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
