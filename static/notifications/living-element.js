// @ts-check
/** An element that has something to clean up when it leaves the page, and nothing when it is only moved within it. */
export class LivingElement extends HTMLElement {
  #isAlive = false;

  connectedCallback() {
    if (this.#isAlive) return this.moved();
    this.#isAlive = true;
    this.appear();
  }

  disconnectedCallback() {
    // One that is moved is connected again before the script that moves it has ended.
    queueMicrotask(() => {
      if (this.isConnected || !this.#isAlive) return;
      this.#isAlive = false;
      this.vanish();
    });
  }

  /** It has come on the page. Its attributes are there, which a constructor cannot rely on. */
  appear() {}

  /** It has left the page: nothing of it may go on. It may appear again. */
  vanish() {}

  /** It is on the page still, in another place. */
  moved() {}
}
