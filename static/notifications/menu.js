// @ts-check
/** Closes an open menu as people expect: by Escape, and by a press or the focus going elsewhere. */

/** @param {EventTarget | null} stays a menu that holds this is left open */
function closeMenus(stays) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!(stays instanceof Node && menu.contains(stays))) menu.removeAttribute("open");
  }
}

document.addEventListener("pointerdown", (event) => closeMenus(event.target));
document.addEventListener("focusin", (event) => closeMenus(event.target));
document.addEventListener("keydown", (event) => {
  const menu = document.querySelector("details.menu[open]");
  if (event.key !== "Escape" || !menu) return;
  closeMenus(null);
  menu.querySelector("summary")?.focus();
});
