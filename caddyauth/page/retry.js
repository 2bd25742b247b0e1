// The link that begins again leads to this very address. With a fragment, it would
// only scroll; without, the fragment would be lost.
document.querySelector("a.button").onclick = () => {
  if (!location.hash) return true;
  location.reload();
  return false;
};
