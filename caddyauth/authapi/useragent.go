package authapi

import "strings"

// agentName is a word in a User-Agent field, and what people call it.
type agentName struct{ word, name string }

// agentBrowsers are in the order that tells them apart: nearly all claim to be
// Safari, most of them Chrome too.
var agentBrowsers = []agentName{
	{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"},
	{"OPR/", "Opera"}, {"OPT/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Vivaldi/", "Vivaldi"},
	{"YaBrowser/", "Yandex Browser"}, {"DuckDuckGo/", "DuckDuckGo"},
	{"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
	{"CriOS/", "Chrome"}, {"Chromium/", "Chromium"}, {"HeadlessChrome/", "Chrome"}, {"Chrome/", "Chrome"},
	{"Safari/", "Safari"},
	{"curl/", "curl"}, {"Wget/", "Wget"}, {"git/", "git"},
}

// agentSystems are in that order as well: Android is a Linux, and an iPhone says
// that it is like Mac OS X.
var agentSystems = []agentName{
	{"Windows", "Windows"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"},
	{"CrOS", "ChromeOS"}, {"Macintosh", "macOS"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
	{"FreeBSD", "FreeBSD"}, {"OpenBSD", "OpenBSD"},
}

// describeAgent tells a browser and its system from a User-Agent field, in few
// words of our own. Either is empty if nothing is known.
func describeAgent(userAgent string) (browser, system string) {
	return firstName(agentBrowsers, userAgent), firstName(agentSystems, userAgent)
}

func firstName(names []agentName, text string) string {
	for _, n := range names {
		if strings.Contains(text, n.word) {
			return n.name
		}
	}
	return ""
}
