// @ts-check
/** Runs on the login page, which only somebody who is not logged in sees: the other tabs are to ask the hub. */
if ("BroadcastChannel" in globalThis) {
  new BroadcastChannel("notification-hub:logins").postMessage("");
}
