// @ts-check
/**
 * The decisions of a hub client: cursors, pauses, and what an answer or a closed stream means.
 *
 * Pure: no DOM, no network, no clock of its own. `random` is a number in [0, 1).
 */

/** How long a stream may take to send `stream.open` before the client polls instead. */
export const OPEN_TIMEOUT_MS = 10_000;
/** What a client assumes until the server has named its own heartbeat or poll interval. */
export const DEFAULT_HEARTBEAT_SECONDS = 15;
export const DEFAULT_POLL_SECONDS = 15;
/** A stream that has been live for this long has shown that streams work here. */
const SETTLED_MS = 10_000;
/** How often in a row the browser may come back by itself to a stream that did not last. */
const MAX_BROWSER_RETRIES = 2;
const MIN_POLL_SECONDS = 1;
const MAX_PAUSE_MS = 300_000;

/** Browsers drop some of these from a url, so that it leads elsewhere than it seems to. */
const UNSAFE = /[\u0000-\u0020\u007f]/;

const CURSOR = /^([a-z2-7]{8})-(0|[1-9][0-9]{0,15})$/;

/**
 * @param {unknown} text
 * @returns {{epoch: string, position: number} | null} null when `text` is no cursor
 */
export function parseCursor(text) {
  const match = typeof text === "string" ? CURSOR.exec(text) : null;
  return match ? { epoch: match[1], position: Number(match[2]) } : null;
}

/**
 * @param {string | null} left
 * @param {string | null} right
 * @returns {number | null} below, at or above zero; null when the two cannot be compared
 */
export function compareCursors(left, right) {
  const a = parseCursor(left);
  const b = parseCursor(right);
  return a && b && a.epoch === b.epoch ? a.position - b.position : null;
}

/**
 * @param {string} cursor
 * @param {string | null} seen
 * @returns {boolean} whether `cursor` tells something that a holder of `seen` does not know yet
 */
export function isNewer(cursor, seen) {
  const order = compareCursors(cursor, seen);
  return order === null || order > 0;
}

/**
 * @param {number} heartbeatSeconds as `stream.open` said
 * @returns {number} milliseconds of silence after which a stream is taken for dead
 */
export function silenceLimitMs(heartbeatSeconds) {
  return (2 * heartbeatSeconds + 5) * 1000;
}

/**
 * @param {number} liveMs
 * @returns {boolean} whether a stream that was live for so long was worth having
 */
export function hasSettled(liveMs) {
  return liveMs >= SETTLED_MS;
}

/**
 * An EventSource comes back after a few seconds however often it was cut off, and for ever to a server that
 * answers 200 and ends: that is right for a cut now and then, and for nothing else.
 *
 * @param {number} shortStreams in a row that were cut off before they had settled, this one included
 */
export function isLeftToTheBrowser(shortStreams) {
  return shortStreams <= MAX_BROWSER_RETRIES;
}

/**
 * @param {number} failures in a row, 1 for the first
 * @param {number} firstMs
 * @param {number} random
 * @returns {number} a doubling pause, at most five minutes, spread by a quarter to either side
 */
export function backoffMs(failures, firstMs, random) {
  const doubled = Math.min(MAX_PAUSE_MS, firstMs * 2 ** Math.min(failures - 1, 20));
  return Math.round(doubled * (0.75 + random / 2));
}

/**
 * @param {string | null} header X-Poll-Interval
 * @returns {number} whole seconds between two polls
 */
export function pollSeconds(header) {
  const seconds = Number.parseInt(header ?? "", 10);
  return seconds >= MIN_POLL_SECONDS ? seconds : DEFAULT_POLL_SECONDS;
}

/**
 * @typedef {{next: "apply"} | {next: "reset", cursor: string | null} | {next: "signed-out"}
 *   | {next: "wait", afterMs: number}} PollDecision
 *
 * @param {{ok: boolean, status: number, body: any, retryAfter: string | null}} answer status 0: no answer came
 * @param {number} failures polls that failed in a row, this one included
 * @param {number} random
 * @returns {PollDecision}
 */
export function afterPoll(answer, failures, random) {
  const { status, body } = answer;
  if (answer.ok) return { next: "apply" };
  if (status === 401) return { next: "signed-out" };
  // A cursor that the hub calls malformed is as useless as one that it cannot resume.
  if (status === 410 || status === 400) {
    return { next: "reset", cursor: parseCursor(body?.cursor) ? body.cursor : null };
  }
  const retryAfterMs = 1000 * (Number.parseInt(answer.retryAfter ?? "", 10) || 0);
  return { next: "wait", afterMs: Math.max(retryAfterMs, backoffMs(failures, 1000, random)) };
}

/**
 * What to do about `stream.close`: `resume` leaves it to EventSource, which comes back after
 * `retry_ms`; `poll` means that no stream is to be had for now, and none any more with `null`.
 *
 * @param {{reason: string, reconnect: boolean, retry_ms: number}} close
 * @returns {{next: "resume", withinMs: number} | {next: "poll", streamAfterMs: number | null}}
 */
export function afterClose(close) {
  if (!close.reconnect) return { next: "poll", streamAfterMs: null };
  const retryMs = Math.max(0, Number(close.retry_ms) || 0);
  if (close.reason === "limit") return { next: "poll", streamAfterMs: retryMs };
  return { next: "resume", withinMs: retryMs + OPEN_TIMEOUT_MS };
}

/**
 * @param {unknown} url
 * @returns {string | null} `url` when it is a path on this site or http(s), else null
 */
export function safeHref(url) {
  if (typeof url !== "string" || UNSAFE.test(url)) return null;
  return isOwnPath(url) || /^https?:\/\/[^/\\]/i.test(url) ? url : null;
}

/**
 * @param {unknown} url
 * @returns {boolean} whether it is a path on this site
 */
export function isOwnPath(url) {
  return typeof url === "string" && !UNSAFE.test(url) && /^\/(?![/\\])/.test(url);
}
