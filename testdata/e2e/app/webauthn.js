// The client for passkeys of next-auth 5, for tests.

import { signIn } from "next-auth/webauthn";

window.client = { signIn };
