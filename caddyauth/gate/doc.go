// Package gate decides, request by request, what a site's policy says: let it
// pass, ask for a session, refuse. It also keeps the names of the identity
// headers to itself, so that what an upstream reads in them was written here.
//
// The package knows net/http and sessions only. A caller runs, in this order:
//
//	owned.StripRequest(r)                     // every request of the site
//	owned.SanitizeConnection(r.Header)        // every request of the site
//	d := policy.Decide(r, originalURL, read)  // what is not under the base path
//	if d.Action != gate.Pass { responder.Respond(w, r, d, site); return }
//	headers.Set(r, d.Session)
//	w = gate.NewWriter(w, rules)
package gate
