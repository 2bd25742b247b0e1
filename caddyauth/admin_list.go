package caddyauth

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The sizes of a page of a list.
const (
	defaultPage = 100
	maxPage     = 500
)

// listPage is which part of a list is wanted: at most limit things, those after an id
// in a store and those of the stores behind it.
type listPage struct {
	limit     int
	store, id string
}

// page reads the parameters after and limit.
func (q *adminRequest) page(values url.Values) (listPage, error) {
	p := listPage{limit: defaultPage}
	if text := values.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return p, adminError(http.StatusBadRequest, "limit is a number from 1 to %d", maxPage)
		}
		p.limit = n
	}
	if cursor := values.Get("after"); cursor != "" {
		var ok bool
		p.store, p.id, ok = strings.Cut(cursor, ".")
		if !ok || !slices.ContainsFunc(q.app.stores(), func(o *openStore) bool { return o.id == p.store }) {
			return p, adminError(http.StatusBadRequest, "after is no place in a list of the running configuration: begin with the first page")
		}
	}
	return p, nil
}

// walkStores lists a page of what the stores have, one after the other. List returns at
// most so many things of one store, in the order of their ids and after one of
// them.
func walkStores[T any](q *adminRequest, p listPage, list func(o *openStore, after string, limit int) ([]T, error), id func(T) string) (found []T, next string, err error) {
	found = []T{}
	for _, o := range q.app.stores() {
		if o.id < p.store {
			continue
		}
		after := ""
		if o.id == p.store {
			after = p.id
		}
		// One more tells whether there is another page.
		more, err := list(o, after, p.limit-len(found)+1)
		if err != nil {
			return nil, "", err
		}
		room := p.limit - len(found)
		another := len(more) > room
		more = more[:min(room, len(more))]
		found = append(found, more...)
		if len(more) > 0 {
			next = o.id + "." + id(more[len(more)-1])
		}
		if another {
			return found, next, nil
		}
	}
	return found, "", nil
}

// stores are the stores of the sites, in an order that stays.
func (a *App) stores() []*openStore {
	var list []*openStore
	for _, s := range a.sites {
		if s.store != nil && !slices.Contains(list, s.store) {
			list = append(list, s.store)
		}
	}
	slices.SortFunc(list, func(a, b *openStore) int { return strings.Compare(a.id, b.id) })
	return list
}

// storedAt are the sites that keep their users in a store, or nowhere for nil.
func (a *App) storedAt(o *openStore) []*site {
	var sites []*site
	for _, s := range a.sites {
		if s.store == o {
			sites = append(sites, s)
		}
	}
	return sites
}

// needStore is an error if nothing is kept at all.
func (q *adminRequest) needStore() error {
	if len(q.app.stores()) == 0 {
		return adminError(http.StatusNotFound, "no site keeps anything: sessions are in people's browsers only; write 'store' to list them")
	}
	return nil
}
