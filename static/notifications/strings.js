// @ts-check
/**
 * The words that page code shows. A page may render translations of them into
 * `<script type="application/json" id="notification-strings">`; a word that is missing there is English.
 */

const ENGLISH = {
  notifications: "Notifications",
  bell_label: "Notifications, {count} unread",
  live: "Live",
  connecting: "Connecting…",
  polling: "Checking every {seconds} s",
  reconnecting: "Reconnecting…",
  signed_out: "Logged out – log in again",
  all: "All",
  unread: "Unread",
  all_categories: "All categories",
  category: "Category",
  mark_read: "Mark as read",
  mark_unread: "Mark as unread",
  mark_all_read: "Mark all as read",
  archive: "Archive",
  archived: "Archived: {title}",
  archived_tab: "Archived",
  unarchive: "Move to inbox",
  delete: "Delete",
  deleted: "Deleted: {title}",
  undo: "Undo",
  undo_keys: "Undo: {keys}",
  dismiss: "Dismiss",
  show_more: "Show more",
  show_less: "Show less",
  load_more: "Load more",
  see_all: "See all notifications",
  loading: "Loading…",
  try_again: "Try again",
  empty_title: "You are all caught up",
  empty_text: "New notifications appear here the moment they are sent.",
  none_unread: "Nothing unread here",
  none_archived: "Nothing archived here",
  none_matching: "Nothing in this category",
  load_failed: "The notifications could not be loaded.",
  read_failed: "That could not be saved. Please try again.",
  delete_failed: "That could not be deleted. Please try again.",
  action_done: "Done: {label}",
  action_refused: "{label}: the site refused it (error {status}). Reload the page and try again.",
  action_failed: "{label}: the site could not do it (error {status}). Please try again later.",
  action_unanswered: "{label}: no answer came. It may have been done all the same; look before you try again.",
  many_arrived: "New notifications: {count}",
  level_info: "Information",
  level_success: "Success",
  level_warning: "Warning",
  level_error: "Error",
};

/** @typedef {keyof typeof ENGLISH} StringKey */

/** @type {Record<string, string> | null} */
let translated = null;

/**
 * @param {StringKey} key
 * @param {Record<string, string | number>} [values] for the places in braces
 */
export function text(key, values = {}) {
  translated ??= readPage();
  const template = translated[key] || ENGLISH[key] || key;
  return template.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}

/** @returns {string[]} */
export function stringKeys() {
  return Object.keys(ENGLISH);
}

/** @returns {Record<string, string>} what the page says that can be used; none of it is worth the bell */
function readPage() {
  try {
    const words = JSON.parse(document.getElementById("notification-strings")?.textContent || "{}");
    return Object.fromEntries(Object.entries(words ?? {}).filter(([, word]) => typeof word === "string"));
  } catch {
    return {};
  }
}
