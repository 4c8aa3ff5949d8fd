// @ts-check
/**
 * Whether what came over the network has the shape that the wire contract promises.
 *
 * A proxy, a captive portal or a hub that is broken may answer 200 with anything at all. What has not the
 * shape is a failure like any other, to be tried again later, and reaches no code that would throw at it.
 * Pure: no DOM, no network.
 */
import { parseCursor } from "./policy.js";

/**
 * @param {any} value
 * @returns {boolean}
 */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * @param {any} value
 * @returns {boolean} whether the page can show it: every field that is needed for that is there
 */
export function isNotification(value) {
  return (
    isObject(value) &&
    [value.id, value.title, value.body, value.category, value.level, value.created_at].every((field) => typeof field === "string") &&
    typeof value.position === "number" &&
    (value.actions === undefined || areActions(value.actions)) &&
    (value.read_at === null || typeof value.read_at === "string")
  );
}

/**
 * @param {any} value
 * @returns {boolean} a kind of change that is not known here needs no more than its cursor
 */
export function isChange(value) {
  if (!isObject(value) || typeof value.change !== "string" || !hasCountAt(value, value.cursor)) return false;
  if (value.change === "notification.deleted") return typeof value.notification?.id === "string";
  return !value.change.startsWith("notification.") || isNotification(value.notification);
}

/**
 * @param {any} value
 * @returns {boolean} what `changes` answers
 */
export function isDelta(value) {
  return isObject(value) && hasCountAt(value, value.cursor) && Array.isArray(value.changes) && value.changes.every(isChange);
}

/**
 * @param {any} value
 * @returns {boolean} a page of a list
 */
export function isPage(value) {
  return (
    isObject(value) &&
    hasCountAt(value, value.cursor) &&
    Array.isArray(value.results) &&
    value.results.every(isNotification) &&
    (value.next === null || typeof value.next === "string")
  );
}

/**
 * @param {any} value
 * @returns {boolean} what `counts` answers
 */
export function isCounts(value) {
  return isObject(value) && isObject(value.by_category) && Number.isInteger(value.unread) && parseCursor(value.cursor) !== null;
}

/**
 * @param {any} value
 * @returns {boolean} the data of `stream.open`
 */
export function isOpening(value) {
  return isObject(value) && hasCountAt(value, value.head) && parseCursor(value.cursor) !== null;
}

/**
 * @param {any} value
 * @returns {boolean} the data of `stream.reset`
 */
export function isReset(value) {
  return isObject(value) && parseCursor(value.cursor) !== null;
}

/**
 * @param {any} value
 * @returns {boolean} the data of `stream.close`
 */
export function isClosing(value) {
  return isObject(value) && typeof value.reconnect === "boolean";
}

/**
 * @param {any} value
 * @returns {boolean} the data of `notification.shown`
 */
export function isShowing(value) {
  return isObject(value) && isNotification(value.notification);
}

/**
 * @param {any} value
 * @returns {boolean} a hub of an earlier version has none
 */
function areActions(value) {
  const areTexts = (/** @type {any} */ action) => [action.label, action.url, action.method].every((field) => typeof field === "string");
  return Array.isArray(value) && value.every((action) => isObject(action) && areTexts(action));
}

/**
 * @param {any} value
 * @param {any} cursor
 */
function hasCountAt(value, cursor) {
  return Number.isInteger(value.unread_count) && parseCursor(cursor) !== null;
}
