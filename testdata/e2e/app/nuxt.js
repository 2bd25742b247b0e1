// The composable of sidebase's nuxt-auth for its provider "authjs", for tests.

import { useAuth } from "../node_modules/@sidebase/nuxt-auth/dist/runtime/composables/authjs/useAuth.js";

const auth = useAuth();
window.client = {
  ...auth,
  state: () => ({ status: auth.status.value, data: auth.data.value }),
};
