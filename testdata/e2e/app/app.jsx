// A page that shows what next-auth/react says about the session, and gives
// tests the rest of it.

import { createRoot } from "react-dom/client";
import * as client from "next-auth/react";

function Show({ id, value }) {
  return <pre id={id}>{value === undefined ? "undefined" : JSON.stringify(value)}</pre>;
}

function App() {
  const { data, status, update } = client.useSession({ required: location.search === "?required" });
  window.client = { ...client, update };
  return (
    <main>
      <h1>next-auth/react</h1>
      <Show id="status" value={status} />
      <Show id="session" value={data} />
    </main>
  );
}

createRoot(document.getElementById("root")).render(
  <client.SessionProvider>
    <App />
  </client.SessionProvider>,
);
