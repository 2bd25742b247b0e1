// All sequences. Each is driven at both sides, in a browser of its own:
//
//   name      what a report calls it
//   site      the site of sites.mjs where it happens
//   dialects  where it makes sense; both unless it says so
//   run       what the browser does, see browser.mjs
//
// Flows that need a store (e-mail, linking of accounts) are files of their own
// here, and sites with that store in sites.mjs.

import { bodySequences } from "./bodies.mjs";
import { callbackUrlSequences } from "./callback-url.mjs";
import { callbackSequences } from "./callbacks.mjs";
import { credentialsSequences } from "./credentials.mjs";
import { csrfSequences } from "./csrf.mjs";
import { jsonModeSequences } from "./json-mode.mjs";
import { oauthSequences } from "./oauth.mjs";
import { pageSequences } from "./pages.mjs";
import { routeSequences } from "./routes.mjs";
import { sessionSequences } from "./session.mjs";
import { signOutSequences } from "./signout.mjs";
import { siteSequences } from "./sites.mjs";

/** The sequences by what they are about. */
export const topics = {
  routes: routeSequences,
  csrf: csrfSequences,
  bodies: bodySequences,
  "callback URLs": callbackUrlSequences,
  "JSON instead of redirects": jsonModeSequences,
  credentials: credentialsSequences,
  OAuth: oauthSequences,
  sessions: sessionSequences,
  "signing out": signOutSequences,
  pages: pageSequences,
  callbacks: callbackSequences,
  sites: siteSequences,
};

/** The sequences of a dialect. */
export function sequences(dialect) {
  return Object.values(topics)
    .flat()
    .filter(({ dialects }) => !dialects || dialects.includes(dialect));
}
