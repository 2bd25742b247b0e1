// The browser keeps the fragment of an address when the gate sends it here, and no
// server sees it: the forms take it along to where they lead in the end.
{const h=location.hash;if(h.length<1e3)for(const i of document.getElementsByName("callbackUrl"))if(!/#/.test(i.value))i.value+=h}
