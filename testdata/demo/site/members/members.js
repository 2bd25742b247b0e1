// Who am I, and a button that signs out at once. Without this script the page
// links to the gateway's own sign-out page.

import { onSession, signOut } from "/api/auth/client.js";

let signedIn = false;

function show(id, text) {
  document.getElementById(id).textContent = text ?? "–";
}

// Called at once, and whenever something changes, in another tab as well.
onSession((session) => {
  if (!session) {
    // Signed out elsewhere: this page is for members.
    if (signedIn) location.assign("/");
    return;
  }
  signedIn = true;
  const { name, email } = session.user;
  show("welcome", `Welcome, ${name ?? email ?? "whoever you are"}.`);
  show("name", name);
  show("email", email);
  show("expires", new Date(session.expires).toLocaleString());
  document.getElementById("session").hidden = false;
});

const button = document.getElementById("signout");
button.onclick = () => signOut({ callbackUrl: "/" });
button.hidden = false;
document.getElementById("signout-link").hidden = true;
