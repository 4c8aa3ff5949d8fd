// @ts-check
/** Where on its host the hub is: below a path, its files are there too. */

const MATCH = /^(.*)\/static\/notifications\//.exec(new URL(import.meta.url).pathname);

/** The path below which all of the hub's own are, without a slash at the end; empty at the root, and for files of another host. */
export const ROOT = MATCH && new URL(import.meta.url).origin === globalThis.location?.origin ? MATCH[1] : "";
