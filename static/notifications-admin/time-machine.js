// @ts-check
/**
 * The time machine's slider and its replay. The server renders each moment; this fetches the part of the page that shows it, one
 * at a time, and only ever the latest that was asked for. The replay is a stream of the staff's own that says which position comes next.
 */
import { Replay } from "./replay.js";

const DEBOUNCE_MS = 120;
const TIME_STEP_MS = 1000;

class TimeMachine {
  /** @type {{query: string, isSlid: boolean} | null} what is to be shown next */
  #wanted = null;
  #isLoading = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.state = find(root, ".tm-state");
    this.slider = /** @type {HTMLInputElement} */ (find(root, ".tm-slider"));
    this.status = find(root, ".tm-status");
    this.replay = new Replay(root, {
      position: () => this.position,
      show: (position) => this.#want(`?position=${position}`),
      say: (text) => this.say(text),
    });
    find(root, ".tm-live").hidden = false;
    this.slider.addEventListener("input", () => this.#slid());
    for (const radio of root.querySelectorAll("[name=tm-by]")) radio.addEventListener("change", () => this.#follow());
    this.state.addEventListener("click", (event) => this.#clicked(/** @type {MouseEvent} */ (event)));
    window.addEventListener("popstate", () => this.#want(location.search || "?"));
    this.#follow();
  }

  /** The position that is shown. */
  get position() {
    return Number(this.#shown.position);
  }

  /** @param {string} text */
  say(text) {
    this.status.textContent = text;
  }

  get #shown() {
    return find(this.state, ".tm-shown").dataset;
  }

  get #slidesOverTime() {
    return /** @type {HTMLInputElement} */ (find(this.root, "[name=tm-by][value=time]")).checked;
  }

  #slid() {
    this.replay.pause();
    const value = Number(this.slider.value);
    const query = this.#slidesOverTime ? `?at=${encodeURIComponent(new Date(value).toISOString())}` : `?position=${value}`;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#want(query, true), DEBOUNCE_MS);
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const link = event.target instanceof Element ? event.target.closest("a[data-moment]") : null;
    if (!(link instanceof HTMLAnchorElement) || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    this.replay.pause();
    this.#want(link.search);
  }

  /**
   * @param {string} query
   * @param {boolean} [isSlid] the slider asks for it, and stays where it is: it has a hand on it
   */
  #want(query, isSlid = false) {
    this.#wanted = { query, isSlid };
    if (!this.#isLoading) void this.#load();
  }

  async #load() {
    this.#isLoading = true;
    this.state.setAttribute("aria-busy", "true");
    while (this.#wanted !== null) {
      const { query, isSlid } = this.#wanted;
      this.#wanted = null;
      try {
        await this.#show(query);
        this.#follow(isSlid);
      } catch {
        this.replay.pause();
        this.say(this.root.dataset.textFailed ?? "");
      }
    }
    this.state.removeAttribute("aria-busy");
    this.#isLoading = false;
  }

  /** @param {string} query */
  async #show(query) {
    const parameters = new URLSearchParams(query);
    const answer = await fetch(`?${withFragment(parameters)}`, { headers: { Accept: "text/html" }, redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    // Parsed apart from the page: what is in it does nothing until it is put in, and scripts do nothing even then.
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    const shown = parsed.querySelector(".tm-shown");
    if (!shown) throw new Error("no moment");
    this.state.replaceChildren(document.adoptNode(shown));
    parameters.delete("at");
    if (!parameters.has("before")) parameters.set("position", this.#shown.position ?? "");
    history.replaceState(null, "", `?${parameters}`);
  }

  /**
   * Put the slider and the fields where the moment is.
   *
   * @param {boolean} [isSlid]
   */
  #follow(isSlid = false) {
    const { position, head, at, local } = this.#shown;
    const { floor, firstAt, lastAt } = this.root.dataset;
    const hasTimes = Boolean(firstAt && lastAt);
    const overTime = this.#slidesOverTime && hasTimes;
    const low = overTime ? Date.parse(firstAt ?? "") : Number(floor);
    const high = overTime ? Date.parse(lastAt ?? "") + TIME_STEP_MS : Number(head);
    this.slider.min = String(low);
    this.slider.max = String(high);
    this.slider.step = String(overTime ? TIME_STEP_MS : 1);
    const here = overTime ? (at ? Date.parse(at) + TIME_STEP_MS : low) : Number(position);
    if (!isSlid) this.slider.value = String(here);
    this.slider.setAttribute("aria-valuetext", find(this.state, ".tm-position").textContent?.trim() ?? "");
    const { firstShown, lastShown } = this.root.dataset;
    find(this.root, ".tm-first").textContent = (overTime ? firstShown : floor) ?? "";
    find(this.root, ".tm-last").textContent = (overTime ? lastShown : head) ?? "";
    /** @type {HTMLInputElement} */ (find(this.root, "#tm-position")).value = position ?? "";
    /** @type {HTMLInputElement} */ (find(this.root, "#tm-at")).value = local ?? "";
  }
}

/**
 * @param {URLSearchParams} parameters
 * @returns {URLSearchParams}
 */
function withFragment(parameters) {
  const all = new URLSearchParams(parameters);
  all.set("fragment", "1");
  return all;
}

/**
 * @param {Element} root
 * @param {string} selector
 * @returns {HTMLElement}
 */
function find(root, selector) {
  const found = root.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`the page has no ${selector}`);
  return found;
}

const root = document.querySelector("[data-time-machine]");
if (root instanceof HTMLElement) new TimeMachine(root);
