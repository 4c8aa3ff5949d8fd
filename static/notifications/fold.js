// @ts-check
/**
 * The fold of the wire contract over the part of an inbox that a page has loaded.
 *
 * Pure: no DOM, no network, no clock. What holds of a window:
 * - it has every listed notification with `position >= floor` that its filter admitted when it was
 *   fetched, as of `cursor`;
 * - a change at or before `cursor` does nothing, so duplicates and repeats are harmless;
 * - a change of another epoch is refused: positions of two epochs cannot be compared.
 */
import { compareCursors } from "./policy.js";

/**
 * @typedef {{label: string, url: string, method: "GET" | "POST"}} Action
 *
 * @typedef {object} Notification
 * @property {string} id
 * @property {number} position
 * @property {string} type
 * @property {string} category
 * @property {string} topic
 * @property {"info" | "success" | "warning" | "error"} level
 * @property {string} title
 * @property {string} body
 * @property {string} url
 * @property {string} actor
 * @property {Action[]} actions
 * @property {Record<string, unknown>} data
 * @property {string} created_at
 * @property {string | null} read_at
 * @property {string | null} archived_at
 * @property {string | null} expires_at
 * @property {string | null} replay_of
 *
 * @typedef {object} Change
 * @property {string} change
 * @property {string} cursor
 * @property {number} position
 * @property {string} at
 * @property {number} unread_count
 * @property {Notification} [notification] whole, or only its id when it was deleted
 * @property {string} [reason]
 * @property {number} [up_to]
 * @property {string | null} [category]
 *
 * @typedef {{results: Notification[], next: string | null, cursor: string, unread_count: number}} Page
 * @typedef {{items: Map<string, Notification>, floor: number, cursor: string}} Window
 * @typedef {{unread?: boolean, archived?: boolean, category?: string}} Filter archived ones are shown by themselves
 */

/**
 * @param {Page} page the newest page of a list
 * @returns {Window}
 */
export function openWindow(page) {
  const items = new Map(page.results.map((item) => [item.id, item]));
  return { items, floor: floorOf(page), cursor: page.cursor };
}

/**
 * Add the next older page. Changes that came while it was fetched are offered afterwards: those
 * that the page knows already lead to the same state again.
 *
 * @param {Window} window
 * @param {Page} page
 */
export function addOlderPage(window, page) {
  for (const item of page.results) window.items.set(item.id, item);
  window.floor = floorOf(page);
}

/**
 * @param {Window} window
 * @param {Change} change
 * @returns {"applied" | "known" | "foreign"}
 */
export function offer(window, change) {
  const order = compareCursors(change.cursor, window.cursor);
  if (order === null) return "foreign";
  if (order <= 0) return "known";
  apply(window, change);
  window.cursor = change.cursor;
  return "applied";
}

/**
 * @param {Window} window
 * @param {Filter} filter
 * @returns {Notification[]} newest first
 */
export function listed(window, filter) {
  return [...window.items.values()]
    .filter((item) => matches(item, filter))
    .sort((a, b) => b.position - a.position);
}

/**
 * @param {Notification} item
 * @param {Filter} filter
 */
export function matches(item, filter) {
  if (Boolean(item.archived_at) !== Boolean(filter.archived)) return false;
  if (filter.unread && item.read_at !== null) return false;
  return !filter.category || item.category === filter.category;
}

/** @param {Page} page */
function floorOf(page) {
  const last = page.results.at(-1);
  return page.next && last ? last.position : 0;
}

/**
 * @param {Window} window
 * @param {Change} change
 */
function apply(window, change) {
  const item = change.notification;
  if (change.change === "inbox.read") readUpTo(window, change);
  else if (change.change === "notification.deleted") item && window.items.delete(item.id);
  // Any other change of a notification carries it whole, as it is afterwards, whatever has happened to it.
  // Older ones than the window reaches come with their own page.
  else if (item && item.position >= window.floor) window.items.set(item.id, item);
}

/**
 * @param {Window} window
 * @param {Change} change
 */
function readUpTo(window, change) {
  const limit = change.up_to ?? 0;
  for (const item of window.items.values()) {
    const affected = !change.category || item.category === change.category;
    if (item.read_at === null && item.position <= limit && affected) {
      window.items.set(item.id, { ...item, read_at: change.at });
    }
  }
}
