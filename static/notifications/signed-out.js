// @ts-check
/** Runs on the login page, which only somebody who is not logged in sees: the other tabs are told. */
if ("BroadcastChannel" in globalThis) {
  new BroadcastChannel("notification-hub:identity").postMessage("");
}
