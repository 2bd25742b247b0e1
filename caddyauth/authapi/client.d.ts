/**
 * A client of caddyauth for pages without a bundler. The site serves it where
 * its `caddyauth` directive says `client`:
 *
 *     <script type="module">
 *       import { onSession, signIn, signOut } from "/api/auth/client.js";
 *
 *       onSession((session) => {
 *         greeting.textContent = session ? `Hello, ${session.user.name}` : "";
 *       });
 *       button.onclick = () => signIn("github");
 *     </script>
 *
 * It talks to the directory that it is served from, so another base path needs
 * no setting, and to either dialect (`compat v4` and `compat v5`). Open tabs stay
 * in step with each other, and with tabs that run next-auth/react.
 *
 * All functions reject with an `Error` when the site cannot be reached or does
 * not answer as it should: then it is not known whether anybody is signed in.
 * What was refused, like a wrong password, is a result and not an error.
 */

/** Who is signed in. The `session` callbacks of the site may add to it. */
export interface Session {
  user?: {
    name?: string | null;
    email?: string | null;
    image?: string | null;
    [claim: string]: unknown;
  };
  /** When the session ends unless it is used before, as `Date` writes it in ISO 8601. */
  expires: string;
  [claim: string]: unknown;
}

/** A way to sign in. */
export interface Provider {
  id: string;
  name: string;
  type: "oauth" | "oidc" | "email" | "credentials" | "webauthn" | (string & {});
  signinUrl: string;
  callbackUrl: string;
}

export interface SignInOptions {
  /**
   * Where to go afterwards: a path or an address of this site, or of another
   * one that its `redirect` callback allows. Default: this page.
   */
  callbackUrl?: string;
  /** The same by its newer name, which wins. */
  redirectTo?: string;
  /** Whether to go there, or to the provider. Default: true. */
  redirect?: boolean;
  /** Fields of the form: `username` and `password` of `credentials`, `email` of `email`. */
  [field: string]: string | boolean | undefined;
}

export interface SignOutOptions {
  /** Where to go afterwards. Default: this page. */
  callbackUrl?: string;
  /** The same by its newer name, which wins. */
  redirectTo?: string;
  /** Whether to go there. Default: true. */
  redirect?: boolean;
}

/** What became of an attempt to sign in without leaving the page. */
export interface SignInResult {
  /** `CredentialsSignin`, `AccessDenied`, ..., or null: it worked so far. */
  error: string | null;
  /** A closer reason; only with `compat v5`. */
  code?: string;
  /** The answer's HTTP status. With `compat v5` a refusal has status 200, too. */
  status: number;
  /** Whether it worked: `error` is null and the status one of success. */
  ok: boolean;
  /** Where to go next: the `callbackUrl`, or the provider's page. Null after an error. */
  url: string | null;
}

export interface SignOutResult {
  /** Where to go next. */
  url: string;
}

/**
 * Signs in. The page is left for the provider, or for `callbackUrl` after a
 * password. Without a provider, or with one that the site does not have, it is
 * left for the sign-in page.
 *
 * With `redirect: false` the page stays and the result says what happened; for
 * a provider elsewhere, `url` is where the person has to go.
 *
 * @param provider its id, a key of {@link getProviders}
 * @param authorizationParams for the provider's page: `prompt`, `login_hint`, ...
 */
export function signIn(
  provider?: string | null,
  options?: SignInOptions | null,
  authorizationParams?: string | string[][] | Record<string, string> | URLSearchParams | null,
): Promise<SignInResult | undefined>;

/** Signs out, in all tabs. The page is left for `callbackUrl` unless `redirect` is false. */
export function signOut(options: SignOutOptions & { redirect: false }): Promise<SignOutResult>;
export function signOut(options?: SignOutOptions | null): Promise<SignOutResult | undefined>;

/** Asks the site who is signed in; null is nobody. This makes the session last longer. */
export function getSession(): Promise<Session | null>;

/** The ways to sign in by id, in the order of the site's configuration. */
export function getProviders(): Promise<Record<string, Provider>>;

/**
 * Calls a function with the session as soon as it is known, and whenever
 * somebody signs in or out, becomes somebody else or what is known of them
 * changes, in whichever tab. A later `expires` alone is no change. The site is
 * asked when the first listener comes, when another tab says so, when this tab
 * becomes visible and when the computer is online again.
 *
 * While the site cannot be reached, the last session stays; if there was none
 * yet, listeners hear null. What a listener throws, or rejects with, is reported
 * like any uncaught error and keeps no other from being called.
 *
 * @returns a function that ends it
 */
export function onSession(listener: (session: Session | null) => unknown): () => void;
