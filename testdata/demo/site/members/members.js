// Who am I, and a button that signs out at once. Without this script the page
// links to the gateway's own sign-out page.

async function get(name) {
  const response = await fetch(`/api/auth/${name}`, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${name}: status ${response.status}`);
  return response.json();
}

function show(id, text) {
  document.getElementById(id).textContent = text ?? "–";
}

const session = await get("session");
if (session.user) {
  show("welcome", `Welcome, ${session.user.name ?? session.user.email ?? "whoever you are"}.`);
  show("name", session.user.name);
  show("email", session.user.email);
  show("expires", new Date(session.expires).toLocaleString());
  document.getElementById("session").hidden = false;
}

// Every POST to the gateway carries the token that belongs to its cookie.
const form = document.getElementById("signout");
form.elements.csrfToken.value = (await get("csrf")).csrfToken;
form.hidden = false;
document.getElementById("signout-link").hidden = true;
