// Somebody may sign in in another tab and come back to this one. It serves
//
//   <div data-session="{base}/session">
//
// A sign-in page then goes on to where its forms would lead, if that is this site.
// What has a button shows it instead: it loads the page anew, form included.
{
  const page = document.querySelector("[data-session]");
  const button = page.querySelector("[type=button]");
  if (button) button.onclick = () => location.reload();
  document.addEventListener("visibilitychange", async () => {
    if (document.hidden) return;
    try {
      const session = await (await fetch(page.dataset.session)).json();
      if (!session.user) return;
      if (button) return void (page.hidden = false);
      const to = new URL(document.getElementsByName("callbackUrl")[0].value);
      if (to.origin === location.origin) location.replace(to);
    } catch {
      // The page is as good as before.
    }
  });
}
