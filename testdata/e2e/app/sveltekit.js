// The client module of @auth/sveltekit, for tests.

import * as client from "@auth/sveltekit/client";

window.client = client;
