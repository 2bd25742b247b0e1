// A page with a button for everything that next-auth/react can do, and with all
// that it says in view.

import { useState } from "react";
import { createRoot } from "react-dom/client";
import { SessionProvider, getCsrfToken, getProviders, signIn, signOut, useSession } from "next-auth/react";

function Show({ id, value }) {
  return <pre id={id}>{value === undefined ? "undefined" : JSON.stringify(value)}</pre>;
}

function App() {
  const { data, status, update } = useSession();
  const [result, setResult] = useState("none");
  const [busy, setBusy] = useState(false);

  const button = (id, action) => (
    <button
      id={id}
      disabled={busy}
      onClick={async () => {
        setBusy(true);
        try {
          setResult(await action());
        } catch (error) {
          setResult({ thrown: String(error) });
        }
        setBusy(false);
      }}
    >
      {id}
    </button>
  );
  const credentials = (password, options) =>
    signIn("credentials", { username: "carol", password, callbackUrl: "/app/", ...options });

  return (
    <main>
      <h1>next-auth/react</h1>
      <Show id="status" value={status} />
      <Show id="session" value={data} />
      <Show id="result" value={result} />
      {button("right", () => credentials("carol-demo-password", { redirect: false }))}
      {button("wrong", () => credentials("wrong", { redirect: false }))}
      {button("right-redirect", () => credentials("carol-demo-password", {}))}
      {button("wrong-redirect", () => credentials("wrong", {}))}
      {button("dev", () => signIn("dev", { callbackUrl: "/app/?back=%2F%26" }))}
      {button("unknown", () => signIn("nope", { callbackUrl: "/app/" }))}
      {button("choose", () => signIn())}
      {button("evil", () => signIn("credentials", { username: "carol", password: "carol-demo-password", redirect: false, callbackUrl: "https://evil.example/" }))}
      {button("providers", () => getProviders())}
      {button("csrf", () => getCsrfToken())}
      {button("update", () => update({ name: "somebody else" }))}
      {button("sign-out", () => signOut({ redirect: false }))}
      {button("sign-out-redirect", () => signOut({ callbackUrl: "/" }))}
    </main>
  );
}

createRoot(document.getElementById("root")).render(
  <SessionProvider>
    <App />
  </SessionProvider>,
);
