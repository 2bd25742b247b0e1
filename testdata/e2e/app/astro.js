// The client module of auth-astro, for tests. What it returns after a refusal
// is the response.

import * as client from "auth-astro/client.ts";

window.client = {
  ...client,
  async signIn(...args) {
    const response = await client.signIn(...args);
    return response && { status: response.status, body: await response.json() };
  },
};
