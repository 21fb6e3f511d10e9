window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  // Where someone is signed in: what tells that a page of ours asks.
  requestInterceptor: (request) => {
    const csrf = document.querySelector('meta[name="csrf"]')?.content;
    if (csrf) request.headers["X-CSRF-Token"] = csrf;
    return request;
  },
});
