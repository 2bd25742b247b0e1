// Signs people in with passkeys, and registers them. It serves every
//
//   <form data-passkey="{base}/webauthn-options/passkey" data-passkey-action="authenticate|register" hidden>
//   <p data-passkey-not>
//
// The form stays hidden, and the text after it shown, where there is no JavaScript or
// no Web Authentication. What the authenticator answers is posted with the form, so
// that what comes then is an ordinary redirect.
(() => {
  "use strict";
  const credential = window.PublicKeyCredential;
  if (!credential || !navigator.credentials) return;
  // A challenge is good for 15 minutes: one that waits in the background is
  // replaced before that.
  const renewAfter = 10 * 60 * 1000;
  let waiting = null; // the AbortController of what waits there
  let timer = 0;

  const decode = (text) => Uint8Array.from(
    atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0)).buffer;
  const encode = (buffer) => btoa(Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join(""))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  // The JSON forms of Web Authentication Level 3, for browsers without them too.
  const descriptors = (list) => (list || []).map((d) => ({ ...d, id: decode(d.id) }));
  const parse = (action, o) => {
    if (action === "register") {
      if (credential.parseCreationOptionsFromJSON) return credential.parseCreationOptionsFromJSON(o);
      return { ...o, challenge: decode(o.challenge), user: { ...o.user, id: decode(o.user.id) },
        excludeCredentials: descriptors(o.excludeCredentials) };
    }
    if (credential.parseRequestOptionsFromJSON) return credential.parseRequestOptionsFromJSON(o);
    return { ...o, challenge: decode(o.challenge), allowCredentials: descriptors(o.allowCredentials) };
  };
  const answer = (c) => {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (c.response[name]) response[name] = encode(c.response[name]);
    }
    if (c.response.getTransports) response.transports = c.response.getTransports();
    return { id: c.id, rawId: encode(c.rawId), type: c.type, response };
  };

  const options = async (form, action) => {
    const reply = await fetch(form.dataset.passkey + "?action=" + action,
      { credentials: "same-origin", cache: "no-store", headers: { Accept: "application/json" } });
    if (!reply.ok) throw new Error("no options");
    return parse(action, (await reply.json()).options);
  };

  const submit = (form, action, c) => {
    for (const [name, value] of [["action", action], ["data", JSON.stringify(answer(c))]]) {
      const input = form.elements.namedItem(name) || form.appendChild(document.createElement("input"));
      Object.assign(input, { type: "hidden", name, value });
    }
    form.submit();
  };

  // One of the form's texts is shown, or none.
  const notice = (form, name) => {
    for (const p of form.querySelectorAll("[data-passkey-text]")) p.hidden = p.dataset.passkeyText !== name;
  };
  const notices = { NotAllowedError: "canceled", AbortError: "", InvalidStateError: "known" };

  const stop = () => {
    clearTimeout(timer);
    if (waiting) waiting.abort();
    waiting = null;
  };

  // Where a name is typed, the browser may propose passkeys (conditional mediation).
  const offer = async (form) => {
    stop();
    if (!credential.isConditionalMediationAvailable || !document.querySelector("input[autocomplete~=webauthn]")) return;
    const mine = waiting = new AbortController();
    try {
      if (!await credential.isConditionalMediationAvailable()) return;
      const publicKey = await options(form, "authenticate");
      if (waiting !== mine) return;
      timer = setTimeout(offer, renewAfter, form);
      const c = await navigator.credentials.get({ publicKey, mediation: "conditional", signal: mine.signal });
      if (!c || waiting !== mine) return;
      stop();
      submit(form, "authenticate", c);
    } catch {
      // Nobody asked for it, so nobody is told. The button works all the same.
    }
  };

  for (const text of document.querySelectorAll("[data-passkey-not]")) text.hidden = true;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const action = form.dataset.passkeyAction;
    const button = form.querySelector("button");
    const ready = () => {
      button.disabled = false;
      if (action === "authenticate") offer(form);
    };
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (button.disabled) return;
      stop();
      notice(form, "");
      button.disabled = true;
      try {
        const publicKey = await options(form, action);
        submit(form, action, await navigator.credentials[action === "register" ? "create" : "get"]({ publicKey }));
      } catch (error) {
        notice(form, notices[error.name] ?? "failed");
        ready();
      }
    });
    // A page that comes back from the browser's cache has an answer that was used.
    window.addEventListener("pageshow", (event) => {
      if (!event.persisted) return;
      notice(form, "");
      ready();
    });
    ready();
  }
})();
