// As much of Nuxt as its client code needs of it: #app, #app/nuxt, #imports and
// h3. The requests are made by the real ofetch, which is Nuxt's $fetch.

import { ref } from "@vue/reactivity";
import { $fetch } from "ofetch";

import { makeCommonAuthState } from "../../node_modules/@sidebase/nuxt-auth/dist/runtime/composables/commonAuthState.js";

globalThis.$fetch = $fetch;

// The module's defaults, as a site with "authjs" gets them.
const config = {
  public: {
    auth: {
      baseURL: "/api/auth",
      disableInternalRouting: false,
      globalAppMiddleware: { isEnabled: false, allow404WithoutAuth: true, addDefaultCallbackUrl: true },
      originEnvKey: "AUTH_ORIGIN",
      provider: { type: "authjs", defaultProvider: "" },
    },
  },
};
const nuxt = {};
const router = { options: { history: { createHref: (path) => path } }, push: async () => {} };
const states = {};

export const callWithNuxt = (_, run, args = []) => run(...args);
export const useNuxtApp = () => nuxt;
export const useRouter = () => router;
export const useRequestEvent = () => undefined; // of the server only
export const useRequestHeaders = () => ({}); // of the server only
export const useRuntimeConfig = () => config;
export const useState = (key, initial) => (states[key] ??= ref(initial()));
export const useAuthState = makeCommonAuthState;
export const createError = ({ message }) => new Error(message);
export const appendHeader = () => {}; // of the server only
