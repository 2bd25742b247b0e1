// All sequences. Each is driven at both sides, in a browser of its own:
//
//   name      what a report calls it
//   site      the site of sites.mjs where it happens
//   dialects  where it makes sense; both unless it says so
//   run       what the browser does, see browser.mjs
//
// A store remembers people: at the sites that have one, every sequence has people
// of its own (see account in people.mjs), as several of them run at a time.

import { bodySequences } from "./bodies.mjs";
import { callbackUrlSequences } from "./callback-url.mjs";
import { callbackSequences } from "./callbacks.mjs";
import { credentialsSequences } from "./credentials.mjs";
import { csrfSequences } from "./csrf.mjs";
import { emailSequences } from "./email.mjs";
import { jsonModeSequences } from "./json-mode.mjs";
import { linkingSequences } from "./linking.mjs";
import { oauthSequences } from "./oauth.mjs";
import { pageSequences } from "./pages.mjs";
import { routeSequences } from "./routes.mjs";
import { rowSequences } from "./rows.mjs";
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
  "mailed links": emailSequences,
  accounts: linkingSequences,
  "sessions in a store": rowSequences,
};

/** The sequences of a dialect. */
export function sequences(dialect) {
  return Object.values(topics)
    .flat()
    .filter(({ dialects }) => !dialects || dialects.includes(dialect));
}
