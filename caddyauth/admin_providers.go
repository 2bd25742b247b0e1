package caddyauth

import (
	"net/http"
	"time"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// listedProvider is a provider of a site, and what is known of the identity provider
// behind it.
type listedProvider struct {
	Site string `json:"site"`
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
	// Host is that of the identity provider. A provider without one, such as a users
	// file, has none of the fields that follow.
	Host string `json:"host,omitempty"`
	// Status is "up", "down" or, as long as nobody has asked, "unknown".
	Status provider.Status `json:"status,omitempty"`
	// Since is when it became so, and Reason why it is down.
	Since  time.Time       `json:"since,omitzero"`
	Reason provider.Reason `json:"reason,omitempty"`
	// Retry is the earliest time of the next attempt, where one is held back.
	Retry time.Time `json:"retry,omitzero"`
	// Discovered and Keys are when metadata and signing keys were last fetched.
	Discovered time.Time `json:"discovered,omitzero"`
	Keys       time.Time `json:"keys,omitzero"`
	// Logout is what discovery says of signing out, see provider.State.
	Logout []string `json:"logout,omitempty"`
}

// listProviders answers GET /caddyauth/providers. It asks nobody.
func (q *adminRequest) listProviders() error {
	if _, err := q.query(); err != nil {
		return err
	}
	list := []listedProvider{}
	for _, s := range q.app.sites {
		for _, p := range s.providers {
			list = append(list, listProvider(s.name(), p))
		}
	}
	return q.json(http.StatusOK, struct {
		Providers []listedProvider `json:"providers"`
	}{list})
}

func listProvider(site string, p provider.Provider) listedProvider {
	info := p.Info()
	l := listedProvider{Site: site, ID: info.ID, Name: info.Name, Type: info.Type}
	if h, ok := p.(provider.Health); ok {
		s := h.State()
		l.Host, l.Status, l.Since, l.Reason = s.Host, s.Status, s.Since.UTC(), s.Reason
		l.Retry, l.Discovered, l.Keys = s.Retry.UTC(), s.Discovered.UTC(), s.Keys.UTC()
		l.Logout = s.Logout
	}
	return l
}
