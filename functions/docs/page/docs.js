// Shows the API's document. Signing in by the page sets the cookie, which the browser then sends with each call of it.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  tryItOutEnabled: true,
  // Another site's service by default.
  validatorUrl: null,
});
