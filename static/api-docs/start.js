// Shows the API's description with the Swagger UI that stands on this site; it asks no other host for anything.
"use strict";

const docs = document.getElementById("docs");

window.SwaggerUIBundle({
  domNode: docs,
  url: docs.dataset.schema,
  validatorUrl: null,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  requestInterceptor(request) {
    // A session needs it for what changes something; a token does without.
    if (new URL(request.url, location.href).origin === location.origin) {
      request.headers["X-CSRFToken"] = docs.dataset.csrfToken;
    }
    return request;
  },
});
