// Gives the search field that select2 puts in place of a list the name that the list's label has; by itself it has none.
"use strict";

function nameSearchFields() {
  for (const select of document.querySelectorAll("select.admin-autocomplete")) {
    const name = document.querySelector(`label[for="${select.id}"]`)?.textContent.trim();
    for (const field of select.parentElement?.querySelectorAll('[role="combobox"], [role="textbox"], [role="searchbox"]') ?? []) {
      field.setAttribute("aria-label", name ?? "");
    }
  }
}

// jQuery runs what waits for the document in the order it was handed in, and select2 was handed in before.
window.addEventListener("load", () => window.django.jQuery(nameSearchFields));
